"""The file that an emulator is frozen into: a table, then memory. ``images/host/thaw/frozen.h`` has the same
layout, which ``thaw.c`` reads.

Everything but memory is small, and its digest is compared before each use; memory is compared when an image
is tested again."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MAGIC, VERSION = 0x77616874, 1
PAGE = 4096
MOST_TABLE = 16 * 2**20
"""As ``thaw.c`` maps it."""
NOTHING, FROM_IMAGE, FROM_FILE = 0, 1, 2
BLOCK = 2**20
_HEADER = struct.Struct("<IIQQ2Q2Q2QQQQQQQq")
_PART = struct.Struct("<QQQIIQQQQQ")
_EVENT = struct.Struct("<IIQ")
_EMPTY = bytes(PAGE)


@dataclass(frozen=True)
class FileMapping:
    """A file that a process has mapped; another one in its place would be another program."""

    name: str
    device: int
    inode: int
    size: int
    changed_ns: int

    def is_still_there(self) -> bool:
        """Whether the file of this name is the same one."""
        try:
            about = Path(self.name).stat()
        except OSError:
            return False
        now = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
        return now == (self.device, self.inode, self.size, self.changed_ns)


@dataclass(frozen=True)
class Part:
    """A piece of memory: ``length`` bytes at ``address``, of a file from ``offset`` on, of the image, or
    empty. ``protection`` is mmap(2)'s."""

    address: int
    length: int
    protection: int
    kind: int
    offset: int = 0
    file: FileMapping | None = None


@dataclass(frozen=True)
class KernelPages:
    """Address and length of the kernel's pages in each process; lengths are 0 where there are none."""

    vdso: tuple[int, int] = (0, 0)
    vvar: tuple[int, int] = (0, 0)
    vclock: tuple[int, int] = (0, 0)
    code: bytes = b""
    """What is in ``vdso``."""


@dataclass(frozen=True)
class Counter:
    """An eventfd: its number, eventfd2(2)'s flags and its count."""

    number: int
    flags: int
    count: int


@dataclass(frozen=True)
class Frozen:
    """A process that stands still, without its memory's contents. ``context`` is where its main thread
    continues; ``signals`` is the mask of its signalfd, which has the number ``signal_fd`` (-1: none)."""

    context: int
    kernel: KernelPages
    parts: Sequence[Part]
    counters: Sequence[Counter]
    signals: int = 0
    signal_fd: int = -1


def table(frozen: Frozen) -> bytes:
    """Return an image's table, a multiple of PAGE long. Pure. Raises ValueError for one that is too large."""
    names, offsets = _names(frozen.parts)
    parts_size = _PART.size * len(frozen.parts)
    names_at = _HEADER.size + parts_size
    code_at = -(-(names_at + len(names)) // 16) * 16
    events_at = -(-(code_at + len(frozen.kernel.code)) // 16) * 16
    # The last byte is always null: it ends the last name, whatever is damaged.
    size = -(-(events_at + _EVENT.size * len(frozen.counters) + 1) // PAGE) * PAGE
    if size > MOST_TABLE:
        raise ValueError(f"its table would have {size} bytes")
    body, at = [], size
    for part in frozen.parts:
        offset = part.offset
        if part.kind == FROM_IMAGE:
            offset, at = at, at + part.length
        file = part.file
        about = (
            (offsets[file.name], file.device, file.inode, file.size, file.changed_ns) if file else (0,) * 5
        )
        body.append(_PART.pack(part.address, part.length, offset, part.protection, part.kind, *about))
    pages = frozen.kernel
    head = _HEADER.pack(
        MAGIC, VERSION, size, frozen.context, *pages.vdso, *pages.vvar, *pages.vclock, code_at,
        len(frozen.parts), names_at, events_at, len(frozen.counters), frozen.signals, frozen.signal_fd,
    )  # fmt: skip
    whole = bytearray(size)
    whole[: _HEADER.size] = head
    whole[_HEADER.size : names_at] = b"".join(body)
    whole[names_at : names_at + len(names)] = names
    whole[code_at : code_at + len(pages.code)] = pages.code
    events = b"".join(_EVENT.pack(one.number, one.flags, one.count) for one in frozen.counters)
    whole[events_at : events_at + len(events)] = events
    return bytes(whole)


def _names(parts: Sequence[Part]) -> tuple[bytes, dict[str, int]]:
    """Return the names of all files, each with a null byte, and where each begins."""
    text, offsets = b"", {}
    for part in parts:
        if part.file and part.file.name not in offsets:
            offsets[part.file.name] = len(text)
            text += os.fsencode(part.file.name) + b"\0"
    return text, offsets


def write(path: Path, frozen: Frozen, read: Callable[[int, int], bytes]) -> int:
    """Write an image that only its owner may read; ``read(address, length)`` returns memory. Pages without
    content take no room. Returns the bytes that it takes on disk. Raises OSError, ValueError."""
    head = table(frozen)
    stored = len(head)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(head)
        at = len(head)
        for part in frozen.parts:
            if part.kind != FROM_IMAGE:
                continue
            for begin in range(0, part.length, BLOCK):
                data = read(part.address + begin, min(BLOCK, part.length - begin))
                stored += _write_pages(file.fileno(), data, at + begin)
            at += part.length
        file.truncate(at)
        # Pages that are yet to be written to the disk would count as each machine's own.
        file.flush()
        os.fsync(file.fileno())
    return stored


def _write_pages(descriptor: int, data: bytes, at: int) -> int:
    """Write the runs of pages that are not empty; returns their bytes."""
    stored, begin = 0, None
    for page in range(0, len(data) + PAGE, PAGE):
        used = page < len(data) and data[page : page + PAGE] != _EMPTY
        if used and begin is None:
            begin = page
        elif not used and begin is not None:
            stored += os.pwrite(descriptor, data[begin:page], at + begin)
            begin = None
    return stored


def table_digest(path: Path) -> str:
    """Return the digest of an image's table, "" for a file that has none. Raises OSError."""
    with path.open("rb") as file:
        magic, version, size = _HEADER.unpack(file.read(_HEADER.size).ljust(_HEADER.size, b"\0"))[:3]
        if (magic, version) != (MAGIC, VERSION) or not _HEADER.size <= size <= MOST_TABLE:
            return ""
        file.seek(0)
        return hashlib.sha256(file.read(size)).hexdigest()
