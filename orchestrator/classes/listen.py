"""Addresses of this server as a class file has them: where it listens, and how students call it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

from orchestrator.labfile.ssh_endpoint import Endpoint, parse_address

_LISTEN = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+)):([0-9]{1,5})")
_EXPECTED = "expected an address of this host and a port, such as 0.0.0.0:2222 or [::1]:8443"
_LOWEST = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_HOST = "expected a host's name or address, without a port"


def parse_listen(text: str) -> Endpoint:
    """Return ``192.0.2.7:2222``, ``[::]:2222`` or ``localhost:2222`` as address and port; the address has no
    brackets. Raises ValueError."""
    if text.count(":") > 1 and not text.startswith("["):
        raise ValueError(f"{_EXPECTED}: an IPv6 address stands in brackets")
    match = _LISTEN.fullmatch(text)
    if match is None:
        raise ValueError(_EXPECTED)
    bracketed, plain, port = match[1], match[2], int(match[3])
    if not 0 < port < 65536:
        raise ValueError("expected a port from 1 to 65535")
    if plain == "localhost":
        return Endpoint("127.0.0.1", port)
    try:
        address = ip_address(bracketed or plain)
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if (address.version == 6) != bool(bracketed):
        raise ValueError(_EXPECTED)
    return Endpoint(str(address), port)


def lowest_port() -> int:
    """Return the lowest port that a program without rights may listen at on this host: ip(7)."""
    return int(_LOWEST.read_text()) if _LOWEST.exists() else 1024


def collide(one: Endpoint, other: Endpoint) -> bool:
    """Whether two servers cannot listen at both: the ports are equal, and so are the addresses, or one means
    them all."""
    if one.port != other.port:
        return False
    first, second = ip_address(one.host), ip_address(other.host)
    return first == second or first.is_unspecified or second.is_unspecified


def checked_listen(text: str) -> str:
    """Return the text itself if something can listen there. Raises ValueError."""
    parse_listen(text)
    return text


def checked_host(text: str) -> str:
    """Return the text itself if it is a host's name or address, IPv6 without brackets. Raises ValueError."""
    try:
        found = parse_address(f"[{text}]" if ":" in text else text)
        if ":" in text:
            ip_address(text)
    except ValueError:
        raise ValueError(_HOST) from None
    if found.host != text:
        raise ValueError(_HOST)
    return text
