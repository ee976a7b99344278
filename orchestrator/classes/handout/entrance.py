"""Where a seat's students come in, as plain values that a handout prints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Login:
    """A machine, and the user name that leads to it at the gateway; "" where the gateway has no name for it,
    so that it is reached by its entry in ``ssh_config`` only. ``copies``: scp, sftp and rsync find what they
    need there."""

    machine: str
    user: str
    copies: bool = False


@dataclass(frozen=True)
class Entrance:
    """The ways in for one seat; what is empty does not exist, and its page does not mention it.

    ``host`` and ``port`` are the gateway's, as students type them. ``logins`` begin with the machine where
    students land. ``host_keys`` are fingerprints of the gateway's keys, as ssh shows them. ``alias`` is a
    name for the gateway in a student's own ssh_config(5). ``link`` is personal and works until ``link_ends``;
    ``certificate`` is the SHA-256 fingerprint of a certificate that the web server made itself.
    """

    host: str
    logins: tuple[Login, ...]
    port: int = 22
    host_keys: tuple[str, ...] = ()
    alias: str = ""
    link: str = ""
    link_ends: datetime | None = None
    certificate: str = ""
