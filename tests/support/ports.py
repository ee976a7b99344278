"""Ports of this host for servers of tests: nobody else gets them meanwhile."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 10_000
_OURS: set[int] = set()
_LOCKS: list[int] = []
"""The one descriptor of the file of locks: to close any would give all of this process's locks back."""


def free_port() -> int:
    """Return a port at which nobody listens and which is this process's until it ends, among all tests of
    this host, of whatever checkout. The kernel gives it to nobody who asks for any port (ip(7)): a server may
    begin, end and begin again."""
    numbers = range(_FIRST, int(_RANGE.read_text().split()[0]))
    begin = os.getpid() * 97 % len(numbers)
    found: int = next(port for port in (*numbers[begin:], *numbers[:begin]) if _take(port))
    _OURS.add(found)
    return found


def _take(port: int) -> bool:
    if port in _OURS:
        return False
    if not _LOCKS:
        file = Path(tempfile.gettempdir()) / "isolab-tests-ports.lock"
        _LOCKS.append(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        fcntl.lockf(_LOCKS[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
