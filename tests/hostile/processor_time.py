"""Processor time that the machines of a run took from the host, as counted for their emulators."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from habitat import Home

_PAUSE = 0.05
"""Seconds between two looks: what a machine takes after the last one is not seen."""
_NAME = re.compile(rb"\0-name\0isolab-(\d{8}-\d{6}-[0-9a-f]{4})-")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class GuestTimes:
    """Seconds of processor time by run, as far as was seen."""

    seconds: dict[str, float] = field(default_factory=dict)

    def look(self, home: Home) -> None:
        """Note what every emulator of this home has used so far."""
        mark = str(home.root).encode()
        for place in Path("/proc").iterdir():
            if not place.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes()
                if mark in words and (found := _NAME.search(words)):
                    self.seconds[found[1].decode()] = _used(place)


def _used(place: Path) -> float:
    """User and system time of a process with all its threads: proc_pid_stat(5)."""
    fields = (place / "stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def sampled(home: Home) -> Iterator[GuestTimes]:
    """Look for a ``with`` block."""
    times, over = GuestTimes(), threading.Event()

    def look() -> None:
        while not over.wait(_PAUSE):
            times.look(home)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()
