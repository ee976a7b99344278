"""Which boot of this host it is."""

from __future__ import annotations

from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what tells one boot of this host from another (random(4)). Raises OSError."""
    return _BOOT_ID.read_text().strip()
