"""Layout of machines with isolab's own root file system, whatever their driver: paths in them, how to
reach their SSH server, and how much memory emulation may take."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.errors import BootError
from orchestrator.images.micro import OTHER, RUNNER, STUDENT
from orchestrator.transport.base import Site
from orchestrator.transport.ssh import Address

SITE = Site(
    runner=(f"/{RUNNER}",), work="/work", users={"root": 0, "student": STUDENT, "other": OTHER}, switch=True
)

TRANSLATION_CACHE_MIB = 64
"""TCG's code buffer, for each 512 MiB of a guest: a guest with more memory runs more code. QEMU's own
default is up to 1 GiB for each process."""


def loopback_address(scratch: Path, port: int) -> Address:
    """Return the address of the SSH server behind a port of 127.0.0.1, with the keys that
    ``orchestrator.drivers.guest.identity.keep`` left in the machine's folder."""
    return Address(
        host="127.0.0.1",
        port=port,
        user="root",
        client_key=scratch / "client_key",
        host_key=(scratch / "host_key.pub").read_bytes(),
    )


def forwarded_port(usernet: str) -> int:
    """Return the host port QEMU chose for SSH, from ``info usernet``. Raises BootError."""
    match = re.search(r"^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s", usernet, re.MULTILINE)
    if match is None:
        raise BootError(f"QEMU did not report the port it forwards:\n{usernet}")
    return int(match[1])
