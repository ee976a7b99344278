"""Sparse files: read, copied and hashed by the extents that hold data, never by their holes.

Source: lseek(2), SEEK_DATA and SEEK_HOLE. A file system without them reports one extent: the whole file.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_AT_ONCE = 2**20


def extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield start and end, in bytes, of each part of an open file that holds data. Raises OSError."""
    place, size = 0, os.fstat(descriptor).st_size
    while place < size:
        try:
            start = os.lseek(descriptor, place, os.SEEK_DATA)
        except OSError as problem:
            if problem.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        place = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, place


def chunks(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Yield the data of an open file with its offset, at most 1 MiB at once. Raises OSError."""
    for start, end in extents(descriptor):
        place = start
        while place < end:
            data = os.pread(descriptor, min(_AT_ONCE, end - place), place)
            if not data:
                return
            yield place, data
            place += len(data)


def copy_data(source: Path, target: Path) -> None:
    """Copy a file's content; holes stay holes. Raises OSError."""
    with source.open("rb") as old, target.open("wb") as new:
        for place, data in chunks(old.fileno()):
            os.pwrite(new.fileno(), data, place)
        new.truncate(os.fstat(old.fileno()).st_size)


def digest_of(path: Path) -> str:
    """Hex SHA-256 of a file's size and of its data with their offsets; zeros are as good as a hole.
    Raises OSError."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        state.update(b"%d\n" % os.fstat(file.fileno()).st_size)
        for place, data in chunks(file.fileno()):
            if data.strip(b"\0"):
                state.update(b"%d %d\n" % (place, len(data)))
                state.update(data)
    return state.hexdigest()
