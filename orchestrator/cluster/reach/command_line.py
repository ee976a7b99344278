"""The command lines of the system's SSH client. Pure. Source: ssh(1), ssh_config(5).

The connection to a host follows the user's ssh_config: how to get there, with which identity, and which host
keys are believed. What is set here is what a program needs that nobody watches, and what a host must not get.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cluster.model import Destination

CONNECT_SECONDS = 20
"""How long a host may take to answer at all."""
ALIVE_SECONDS, ALIVE_TIMES = 5, 3
"""A connection that was silent for that long, that many times, is given up: a broken link is known within
15 s, and a busy host is not taken for one."""
IDLE_SECONDS = 600
"""How long a master without users lives on: that of a controller that was killed ends by itself."""

_UNWATCHED = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": str(ALIVE_SECONDS),
    "ServerAliveCountMax": str(ALIVE_TIMES),
    "LogLevel": "INFO",
    # A host gets neither the user's keys nor the screen, whatever the user's settings for all hosts say.
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
}


def opening(to: Destination, socket: Path, log: Path) -> list[str]:
    """Return the command that opens a master connection and leaves it in the background."""
    about = {
        **_UNWATCHED,
        **_about(to, log),
        "ControlMaster": "yes",
        "ControlPersist": str(IDLE_SECONDS),
        # Forwards of the user's settings are for logins by hand: their ports would be taken twice.
        "ClearAllForwardings": "yes",
        "RequestTTY": "no",
        "RemoteCommand": "none",
    }
    words = ["ssh", "-N", "-T", "-S", _literal(socket), "-E", str(log), *_options(about)]
    return [*words, "--", to.address]


def over(socket: Path, words: Sequence[str], *, tty: bool = False) -> list[str]:
    """Return the command that runs another, as words, on the host of an open master connection; without
    ``words``, a login shell."""
    line = [shlex.join(words)] if words else []
    return [*_client(socket), *(["-t"] if tty else ["-T"]), "--", _HOST, *line]


def asking(socket: Path, what: str, *arguments: str) -> list[str]:
    """Return the command that asks something of the master itself: check, forward, cancel, exit."""
    return [*_client(socket), "-O", what, *arguments, "--", _HOST]


def through(socket: Path, address: str, port: int) -> list[str]:
    """Return the command whose standard input and output are a connection to a port as the host sees it: a
    ProxyCommand."""
    return [*_client(socket), "-W", f"[{address}]:{port}", "--", _HOST]


_HOST = "host"
"""The master knows where it leads; its clients have to name something."""


def _client(socket: Path) -> list[str]:
    # Without its master a client would connect by itself, to whatever has this name: it must not.
    about = {"ControlMaster": "no", "ProxyCommand": "false", "LogLevel": "ERROR"}
    return ["ssh", "-F", "none", "-S", _literal(socket), *_options(about)]


def _about(to: Destination, log: Path) -> dict[str, str]:
    about = {}
    if to.user is not None:
        about["User"] = to.user
    if to.port is not None:
        about["Port"] = str(to.port)
    if to.identity is not None:
        about |= {"IdentityFile": f'"{_literal(to.identity)}"', "IdentitiesOnly": "yes"}
    if to.jump is not None:
        about["ProxyCommand"] = _jumping(to.jump, log)
    return about


def _jumping(jump: Destination, log: Path) -> str:
    """Return the ProxyCommand that leads through a jump host: ProxyJump takes no identity for it."""
    words = ["ssh", "-T", "-W", "[%h]:%p", *_options({**_UNWATCHED, "ClearAllForwardings": "yes"})]
    # Its complaints go to the same file: ssh leaves no standard error to the proxies of a master.
    inner = [word.replace("%", "%%") for word in ("-E", str(log), *_options(_about(jump, log)))]
    return shlex.join([*words, *inner, "--", jump.address])


def _options(about: dict[str, str]) -> list[str]:
    return [word for name, value in about.items() for word in ("-o", f"{name}={value}")]


def _literal(path: Path) -> str:
    return str(path).replace("%", "%%")
