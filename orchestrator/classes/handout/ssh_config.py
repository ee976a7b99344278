"""The lines of a student's own ssh_config(5): short names, and machines as if they were next door. Pure."""

from __future__ import annotations

from orchestrator.classes.handout.entrance import Entrance, Login

HOME_USER = "student"


def short_name(entrance: Entrance, login: Login) -> str:
    """Return the ``Host`` of a machine itself, behind the gateway."""
    return f"{entrance.alias}-{login.machine}"


def ssh_config(entrance: Entrance) -> tuple[str, ...]:
    """Return the lines: an entry for the gateway, and one for each machine that tools can
    work on, or that is reached no other way.

    A machine's own key is not checked: its host is reached within a connection to the gateway, whose key is,
    and has a new key after each reset. ``/dev/null`` is understood on Windows too.
    """
    lines = [
        f"Host {entrance.alias}",
        f"    HostName {entrance.host}",
        f"    Port {entrance.port}",
        f"    User {entrance.logins[0].user}",
    ]
    for login in entrance.logins:
        if login.copies or not login.user:
            lines += [
                f"Host {short_name(entrance, login)}",
                f"    User {HOME_USER}",
                f"    ProxyCommand ssh {entrance.alias} isolab connect {login.machine}",
                "    StrictHostKeyChecking no",
                "    UserKnownHostsFile /dev/null",
                "    LogLevel ERROR",
            ]
    return tuple(lines)
