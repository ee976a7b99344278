"""Addresses as a hosts file has them: of hosts for ssh, and of a Dask scheduler. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from orchestrator.cluster.model import Destination
from orchestrator.labfile.ssh_endpoint import checked_user, parse_address

_EXPECTED = "expected a destination such as isolab@lab1.example:22"
_SCHEDULER = "expected the address of a Dask scheduler on this computer, such as tls://127.0.0.1:8786"
_ELSEWHERE = "; to one elsewhere, forward a port: ssh -N -L 8786:127.0.0.1:8786 HOST"


def parse_destination(text: str) -> Destination:
    """Return ``user@host:port`` with neither identity nor jump; user and port may be left out, and then are
    ssh's own choice. Raises ValueError."""
    user, at, address = text.rpartition("@")
    if (at and not user) or not address:
        raise ValueError(_EXPECTED)
    if user:
        checked_user(user)
    try:
        found = parse_address(address)
    except ValueError as wrong:
        # What is said of brackets and ports holds here as well; the rest is about machines.
        words = str(wrong)
        raise ValueError(words if "brackets" in words or "a port" in words else _EXPECTED) from None
    has_port = re.search(r":[0-9]+$", address.rpartition("]")[2]) is not None
    return Destination(found.host, user or None, found.port if has_port else None)


def checked_scheduler(text: str) -> str:
    """Return the text itself if it is the address of a scheduler with TLS on the controller's loopback, from
    where hosts get to it over SSH. Raises ValueError."""
    if text.startswith("tcp://"):
        raise ValueError(
            "a scheduler without TLS gives everybody near it a shell: expected tls://127.0.0.1:PORT"
        )
    try:
        parts = urlsplit(text)
        found = parse_address(parts.netloc)
        sound = parts.scheme == "tls" and parts.port and not (parts.path or parts.query or parts.fragment)
        local = found.host in ("localhost", "127.0.0.1")  # where SSH's forwards lead
    except ValueError:
        sound = local = False
    if not (sound and local):
        raise ValueError(f"{_SCHEDULER}{_ELSEWHERE if text.startswith('tls://') else ''}")
    return text
