"""What students put into their ~/.ssh/config, so that scp, rsync and editors reach a machine by a name. Pure.

Source: ssh_config(5).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.labfile.ssh_endpoint import Endpoint


def host_of(class_name: str, machine: str) -> str:
    """Return a machine's name in a student's configuration."""
    return f"{machine}.{class_name}"


def render_student_config(
    class_name: str, machines: Sequence[str], server: Endpoint, *, login: str = "lab", key: str = ""
) -> str:
    """Return an entry for the gateway, and one for each machine, as ``MACHINE.CLASS``.

    ``server`` is the gateway as students reach it, ``login`` its login name, ``key`` the private key's file
    where ssh would not find it by itself. It stays right when a machine is replaced: its port and host key
    are the gateway's business, which the client knows by its key.
    """
    gate = f"gateway.{class_name}"
    about = {"HostName": server.host, "Port": str(server.port), "User": login}
    if key:
        about |= {"IdentityFile": key, "IdentitiesOnly": "yes"}
    entries = [_entry(gate, about)]
    for machine in machines:
        about = {
            "User": "student",
            "ProxyCommand": f"ssh {gate} isolab connect {machine}",
            # The gateway, whose key is checked, connects to this machine only; its own key is new after
            # each reset, and would be in the way.
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
        }
        if key:
            about |= {"IdentityFile": key, "IdentitiesOnly": "yes"}
        entries.append(_entry(host_of(class_name, machine), about))
    return "\n".join(entries)


def render_jump(server: Endpoint, port: int, *, login: str = "lab") -> str:
    """Return the command line that goes through the gateway by ProxyJump, to the port that a machine has
    until it is replaced."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"ssh -J {login}@{host}:{server.port} -p {port} student@127.0.0.1"


def _entry(name: str, about: dict[str, str]) -> str:
    return "\n".join([f"Host {name}", *(f"    {key} {value}" for key, value in about.items())]) + "\n"
