"""The system's SSH client: its command line for a machine, and ``ssh_config`` entries.

Every machine's host key is known in advance and kept in a file per machine, under a unique name:
nothing is trusted on first use, and ~/.ssh/known_hosts is not touched.
Source of the options: ssh_config(5).
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.drivers.model import Handle
from orchestrator.host.cache import write_atomically
from orchestrator.labfile.ssh_endpoint import Endpoint, key_type
from orchestrator.transport.ssh import Address

CONNECT_SECONDS = 60
"""How long a busy emulated machine may take to answer."""


def options(handle: Handle, address: Address, user: str) -> dict[str, str]:
    """Return the ssh_config(5) options for a machine. Pure."""
    # An existing machine has only the user named in the lab file.
    about = _server(handle, address, address.user if address.foreign else user, handle.tag)
    if address.jump is not None:
        return about | {"ProxyCommand": _through(handle, address, handle.tag)}
    jump = str(handle.data.get("jump", ""))
    return about | ({"ProxyJump": jump} if jump else {})


def _through(handle: Handle, address: Address, alias: str) -> str:
    """Return the command that reaches a server through its jump host: with our key and the jump host's
    known host key, which ProxyJump takes from the user's settings instead. Pure."""
    jump, alias = address.jump, _jump_alias(alias)
    assert jump is not None
    about = _server(handle, jump, jump.user, alias)
    if jump.jump is not None:
        about["ProxyCommand"] = _through(handle, jump, alias)
    words = [word for name, value in about.items() for word in ("-o", f"{name}={value}")]
    words += ["-o", "LogLevel=ERROR", "-W", str(Endpoint(address.host, address.port))]
    return shlex.join(["ssh", "-F", "none", *words, "--", jump.host]).replace("%", "%%")


def _jump_alias(alias: str) -> str:
    return f"{alias}.jump"


def _server(handle: Handle, address: Address, user: str, alias: str) -> dict[str, str]:
    """Return the options for one server on the way. Pure."""
    about = {
        "HostName": address.host,
        "Port": str(address.port),
        "User": user,
        "UserKnownHostsFile": _quoted(known_hosts(handle)),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": alias,
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "PasswordAuthentication": "no",
        # The user's settings for every host must not hand a hostile machine their keys or screen.
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ConnectTimeout": str(CONNECT_SECONDS),
    }
    if address.client_key is not None:  # else the user's own keys and agent are used
        about |= {
            "IdentityFile": _quoted(address.client_key),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
        }
    return about


def render_argv(about: Mapping[str, str], argv: Sequence[str], tty: bool) -> list[str]:
    """Return the client's command line; without ``argv``, a login shell. Pure."""
    # The user's own settings must not change where we connect to, but may say how to jump.
    words = ["ssh"] if "ProxyJump" in about else ["ssh", "-F", "none"]
    words += [word for name, value in about.items() for word in ("-o", f"{name}={value}")]
    words += ["-o", "LogLevel=ERROR"]
    words += ["-t"] if tty else []
    return [*words, "--", about["HostName"], *([shlex.join(argv)] if argv else [])]


def render_entry(host: str, about: Mapping[str, str]) -> str:
    """Render a ``Host`` entry. Pure."""
    return "\n".join([f"Host {host}", *(f"    {name} {value}" for name, value in about.items())]) + "\n"


def host_of(session: str, machine: str) -> str:
    """Return a machine's name in its entry. Pure."""
    return f"isolab-{session}-{machine}"


def known_hosts(handle: Handle) -> Path:
    """Return the file with a machine's host key."""
    return Path(handle.scratch) / "known_hosts"


def write_known_hosts(handle: Handle, address: Address) -> None:
    """Write the host keys of the machine and its jump hosts to the file ``options`` refers to."""
    lines, alias = "", handle.tag
    server: Address | None = address
    while server is not None:
        for key in server.host_keys:
            lines += f"{alias} {key_type(key)} {base64.b64encode(key).decode()}\n"
        server, alias = server.jump, _jump_alias(alias)
    write_atomically(known_hosts(handle), lines.encode())


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'
