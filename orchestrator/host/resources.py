"""This host: its name and free resources."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.host import cgroup


@dataclass(frozen=True)
class Host:
    """A host's available resources; memory in bytes."""

    name: str
    memory: int
    cpus: int


def this_host() -> Host:
    """Return the host's name, available memory (bytes) and the number of processors we may use: in a
    container, what its control group leaves."""
    limits = cgroup.limits()
    memory, cpus = _available(), len(os.sched_getaffinity(0))
    if limits.memory is not None:
        memory = min(memory, limits.memory)
    if limits.cpus is not None:
        cpus = min(cpus, max(1, int(limits.cpus)))
    return Host(platform.node() or "localhost", memory, cpus)


def _available() -> int:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
