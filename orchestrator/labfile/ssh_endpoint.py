"""SSH servers and their keys as written in files: ``host:port``, ``user@host``, a public key line.

Pure; opens no connections. Sources: ssh(1), sshd(8), RFC 4253 section 6.6.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass

SSH_PORT = 22
KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
"""Types of host keys we can verify, preferred ones first."""

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]{0,63}\$?")


@dataclass(frozen=True)
class Endpoint:
    """Where an SSH server listens; ``host`` is a name or an address without brackets."""

    host: str
    port: int = SSH_PORT

    @property
    def known_as(self) -> str:
        """Its name in a known_hosts file: sshd(8)."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == SSH_PORT else f"{host}:{self.port}"


def parse_address(text: str) -> Endpoint:
    """``host``, ``host:port``, ``[IPv6]`` or ``[IPv6]:port``. Raises ValueError."""
    if text.count(":") > 1 and not text.startswith("["):
        raise ValueError(f"expected an IPv6 address in brackets, as in [{text}]")
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", text)
    if match is None:
        raise ValueError("expected an address such as board.example or 192.0.2.7:2222")
    bracketed, plain, port = match[1], match[2], int(match[3] or SSH_PORT)
    if not (_IPV6.fullmatch(bracketed) if bracketed else _HOST.fullmatch(plain)):
        raise ValueError("expected an address such as board.example or 192.0.2.7:2222")
    if not 0 < port < 65536:
        raise ValueError("expected a port from 1 to 65535")
    return Endpoint(bracketed or plain, port)


def parse_jump(text: str) -> tuple[str, Endpoint]:
    """``user@host`` or ``user@host:port``; the user is "" if omitted. Raises ValueError."""
    user, _, host = text.rpartition("@")
    if user and not _USER.fullmatch(user):
        raise ValueError("expected a jump host such as user@gate.example")
    return user, parse_address(host)


def parse_host_key(line: str) -> bytes:
    """The key of a public key line (``ssh-ed25519 AAAA… comment``), as on the wire.

    Raises ValueError.
    """
    words = line.split()
    if len(words) < 2 or words[0] not in KEY_TYPES:
        raise ValueError(f"expected a public key line that begins with one of: {', '.join(KEY_TYPES)}")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected a public key line: the key is not base64") from None
    if key_type(blob) != words[0]:
        raise ValueError(f"expected a public key line: the key is not of type {words[0]}")
    return blob


def key_type(blob: bytes) -> str:
    """The type named in a public key itself; "" for anything else."""
    if len(blob) < 4:
        return ""
    (length,) = struct.unpack(">I", blob[:4])
    return blob[4 : 4 + length].decode(errors="replace") if length < min(len(blob) - 3, 64) else ""


def fingerprint(blob: bytes) -> str:
    """A key's fingerprint as ssh-keygen(1) shows it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({key_type(blob) or 'unknown type'})"


def checked_address(text: str) -> str:
    """Return the text itself if it is an address. Raises ValueError."""
    parse_address(text)
    return text


def checked_jump(text: str) -> str:
    """Return the text itself if it is a jump host. Raises ValueError."""
    parse_jump(text)
    return text


def checked_host_key(text: str) -> str:
    """Return the text itself if it is a public key line. Raises ValueError."""
    parse_host_key(text)
    return text


def checked_user(text: str) -> str:
    """Return the text itself if it is a valid user name. Raises ValueError."""
    if not _USER.fullmatch(text):
        raise ValueError("expected a user name")
    return text
