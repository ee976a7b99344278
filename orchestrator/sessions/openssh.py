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
from orchestrator.labfile.ssh_endpoint import key_type
from orchestrator.transport.ssh import Address

CONNECT_SECONDS = 60
"""How long a busy emulated machine may take to answer."""


def options(handle: Handle, address: Address, user: str) -> dict[str, str]:
    """Return the ssh_config(5) options for a machine. Pure."""
    about = {
        "HostName": address.host,
        "Port": str(address.port),
        # An existing machine has only the user named in the lab file.
        "User": address.user if address.foreign else user,
        "UserKnownHostsFile": _quoted(known_hosts(handle)),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": handle.tag,
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
    jump = str(address.jump or handle.data.get("jump", ""))
    return about | ({"ProxyJump": jump} if jump else {})


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
    """Write the host keys to the file ``options`` refers to."""
    lines = [f"{handle.tag} {key_type(key)} {base64.b64encode(key).decode()}\n" for key in address.host_keys]
    write_atomically(known_hosts(handle), "".join(lines).encode())


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'
