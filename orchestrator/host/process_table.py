"""Find processes on this host by their properties, and end them. Linux's /proc only."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def find(matches: Callable[[int], bool]) -> Iterator[int]:
    """Yield the ids of live processes for which ``matches`` is true, except our own."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended while we looked
            if matches(int(entry.name)):
                yield int(entry.name)


def still(pid: int, matches: Callable[[int], bool]) -> bool:
    """Whether a process found before still exists, without scanning all others."""
    with contextlib.suppress(OSError):
        return matches(pid)
    return False


def arguments(pid: int) -> list[str]:
    """The argument list of a process, empty for a zombie."""
    raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [word.decode(errors="replace") for word in raw.split(b"\0")[:-1]]


def parent(pid: int) -> int:
    """The process id of a process's parent: 1 for an orphan."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def memory(pid: int) -> int:
    """Bytes of memory a process takes, shared pages counted proportionally (proc(5), smaps_rollup:
    Pss); 0 if it is gone or access is denied."""
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return sum(int(kib) for kib in re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)) * 1024
    return 0


def within(first: int) -> set[int]:
    """The first process of a PID namespace, all processes in it, and their parents outside; empty if
    it is gone and a process of our own namespace has its id."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        namespace = Path(f"/proc/{first}/ns/pid").readlink()
        if namespace == Path("/proc/self/ns/pid").readlink():
            return found
        for pid in find(lambda pid: Path(f"/proc/{pid}/ns/pid").readlink() == namespace):
            with contextlib.suppress(OSError):
                found |= {pid, parent(pid)}
    return found - {1}


def lives_in(folder: str) -> Callable[[int], bool]:
    """Return a match for processes whose program or working directory is inside ``folder``."""

    def matches(pid: int) -> bool:
        for link in ("exe", "cwd"):
            with contextlib.suppress(OSError):
                target = str(Path(f"/proc/{pid}/{link}").readlink())
                if target.removesuffix(" (deleted)").startswith(folder.rstrip("/") + "/"):
                    return True
        return False

    return matches


def end(pid: int, patience: float) -> bool:
    """Send SIGTERM, then SIGKILL after ``patience`` seconds; returns whether the process is gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        for number in (signal.SIGTERM, signal.SIGKILL) if patience else (signal.SIGKILL,):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
            limit = patience if number == signal.SIGTERM else 10.0
            until = time.monotonic() + limit
            while (left := until - time.monotonic()) > 0:
                if select.select([pidfd], [], [], left)[0]:
                    return True
        return False
    finally:
        os.close(pidfd)
