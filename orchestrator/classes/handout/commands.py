"""The lines that a student types, on the student's own computer. Pure.

OpenSSH has the same options on Linux, macOS and Windows: ssh(1), scp(1), rsync(1).
"""

from __future__ import annotations

import shlex

from orchestrator.classes.handout.entrance import Entrance, Login
from orchestrator.classes.handout.ssh_config import short_name

_SSH_PORT = 22


def ssh(entrance: Entrance, login: Login, command: str = "", *options: str) -> str:
    """Return the line that logs in to a machine, or runs a command there."""
    way = [_ssh(entrance, *options), f"{login.user}@{entrance.host}"]
    if not login.user:
        way = ["ssh", *options, short_name(entrance, login)]
    return " ".join([*way, *([command] if command else [])])


def scp(entrance: Entrance, login: Login, file: str) -> str:
    """Return the line that copies a file of this computer to the home folder on a machine."""
    return " ".join(["scp", *_port(entrance, "-P"), file, _there(entrance, login)])


def scp_back(entrance: Entrance, login: Login, file: str) -> str:
    """Return the line that copies a file of the home folder on a machine to this computer."""
    return " ".join(["scp", *_port(entrance, "-P"), _there(entrance, login, file), "."])


def rsync(entrance: Entrance, login: Login, folder: str) -> str:
    """Return the line that copies what has changed in a folder of this computer to one there."""
    way = ["-e", shlex.quote(_ssh(entrance))] if entrance.port != _SSH_PORT else []
    return " ".join(["rsync", "-av", *way, folder, _there(entrance, login, folder)])


def put(entrance: Entrance, login: Login, file: str) -> str:
    """Return the line that copies a file to a machine that has nothing but a shell."""
    return f"{ssh(entrance, login, shlex.quote(f'cat > {file}'))} < {file}"


def get(entrance: Entrance, login: Login, file: str) -> str:
    """Return the line that copies a file from a machine that has nothing but a shell."""
    return f"{ssh(entrance, login, f'cat {file}')} > {file}"


def put_folder(entrance: Entrance, login: Login, folder: str) -> str:
    """Return the line that copies a folder to a machine that has nothing but a shell and tar."""
    return f"tar cf - {folder} | {ssh(entrance, login, 'tar xf -')}"


def _ssh(entrance: Entrance, *options: str) -> str:
    return " ".join(["ssh", *options, *_port(entrance, "-p")])


def _port(entrance: Entrance, option: str) -> list[str]:
    return [option, str(entrance.port)] if entrance.port != _SSH_PORT else []


def _there(entrance: Entrance, login: Login, path: str = "") -> str:
    """Return the name of a file there. An address of IPv6 is in brackets, which zsh takes for a pattern."""
    host = f"[{entrance.host}]" if ":" in entrance.host else entrance.host
    return shlex.quote(f"{login.user}@{host}:{path}")
