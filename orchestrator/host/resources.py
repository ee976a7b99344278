"""This host: its name and free resources."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """A host's available resources; memory in bytes."""

    name: str
    memory: int
    cpus: int


def this_host() -> Host:
    """Return the host's name, available memory (bytes) and the number of processors we may use."""
    return Host(platform.node() or "localhost", _available(), len(os.sched_getaffinity(0)))


def _available() -> int:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
