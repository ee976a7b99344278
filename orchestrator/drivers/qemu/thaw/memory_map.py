"""The memory of a process that stands still, as ``/proc`` shows it (proc(5): maps, pagemap, mem)."""

from __future__ import annotations

import array
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orchestrator.drivers.qemu.thaw.image_file import (
    FROM_FILE,
    FROM_IMAGE,
    NOTHING,
    PAGE,
    FileMapping,
    KernelPages,
    Part,
)
from orchestrator.errors import BootError

STACK_ROOM = 8 * 2**20
"""What the main thread's stack may grow to: execve(2) gave it room, a mapping of its own does not grow."""
GAP = 64
"""Runs of pages with at most so many others between them become one mapping: each costs a call."""
_PROTECTION = {"r": 1, "w": 2, "x": 4}
_KERNEL = {"[vdso]": "vdso", "[vvar]": "vvar", "[vvar_vclock]": "vclock"}
_ELSEWHERE = ("[vsyscall]",)
"""The same in all processes."""
_PRESENT, _OF_A_FILE = 62, 61
"""Bits of an entry of pagemap: present or swapped; page of a file, or shared."""


@dataclass(frozen=True)
class Mapping:
    """A line of /proc/PID/maps."""

    begin: int
    end: int
    modes: str
    offset: int
    inode: int
    name: str

    @property
    def protection(self) -> int:
        return sum(bit for letter, bit in _PROTECTION.items() if letter in self.modes)


def parse(text: str) -> list[Mapping]:
    """Return the mappings of a process from its ``maps``. Pure."""
    found = []
    for line in text.splitlines():
        where, modes, offset, _, inode, *name = line.split(maxsplit=5)
        begin, end = (int(number, 16) for number in where.split("-"))
        found.append(Mapping(begin, end, modes, int(offset, 16), int(inode), name[0] if name else ""))
    return found


def runs(entries: array.array[int], mine: bool) -> Iterator[tuple[int, int]]:
    """Yield the first page of each run of pages that hold something, and the page after it. ``mine``: of a
    mapping of a file, only those that are the process's own. Pure."""
    first = last = -1
    for number, entry in enumerate(entries):
        if not entry >> _PRESENT or (mine and entry >> _OF_A_FILE & 1):
            continue
        if first < 0:
            first = number
        elif number - last > GAP:
            yield first, last + 1
            first = number
        last = number
    if first >= 0:
        yield first, last + 1


def read(pid: int) -> tuple[list[Part], KernelPages]:
    """Return what a process that stands still has in memory. Raises BootError for what cannot be frozen,
    OSError."""
    parts: list[Part] = []
    kernel: dict[str, tuple[int, int]] = {}
    with Path(f"/proc/{pid}/pagemap").open("rb", 0) as pages:
        for one in parse(Path(f"/proc/{pid}/maps").read_text()):
            if one.name in _KERNEL:
                kernel[_KERNEL[one.name]] = (one.begin, one.end - one.begin)
            elif one.name not in _ELSEWHERE:
                parts += _parts(one, pages)
    with memory_of(pid) as memory:
        begin, length = kernel.get("vdso", (0, 0))
        code = os.pread(memory.fileno(), length, begin) if length else b""
    return parts, KernelPages(**kernel, code=code)


def memory_of(pid: int) -> BinaryIO:
    """Open a process's memory, at its addresses. Raises OSError."""
    return Path(f"/proc/{pid}/mem").open("rb", 0)


def _parts(one: Mapping, pages: BinaryIO) -> Iterator[Part]:
    """Yield a mapping as it was made, and over it the pages that hold something of the process's own."""
    # What is shared and only read is a file like any other: iconv(3) maps its table so.
    if one.modes[3] != "p" and ("w" in one.modes or not one.inode):
        raise BootError(f"its emulator shares memory with another process: {one.name or hex(one.begin)}")
    length = one.end - one.begin
    if one.name == "[stack]":
        yield Part(one.begin - STACK_ROOM, STACK_ROOM, one.protection, NOTHING)
    if one.inode:
        yield Part(one.begin, length, one.protection, FROM_FILE, one.offset, _file(one))
    else:
        yield Part(one.begin, length, one.protection, NOTHING)
    entries = array.array("Q")
    entries.frombytes(os.pread(pages.fileno(), length // PAGE * 8, one.begin // PAGE * 8))
    for first, after in runs(entries, bool(one.inode)):
        yield Part(one.begin + first * PAGE, (after - first) * PAGE, one.protection, FROM_IMAGE)


def _file(one: Mapping) -> FileMapping:
    try:
        about = Path(one.name).stat()
    except OSError:
        about = None
    if about is None or about.st_ino != one.inode:
        raise BootError(f"its emulator has mapped a file that is gone: {one.name}")
    return FileMapping(one.name, about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
