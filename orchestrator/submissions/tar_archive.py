"""Tar archives, compressed or not, read twice: for the list, then for the files."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import IO, cast

from orchestrator.submissions.entries import LINK, SPECIAL, Entry, Unreadable, named
from orchestrator.submissions.limits import Exceeded, Limits

DAMAGED = (
    tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError, OverflowError,
    RecursionError,
)  # fmt: skip
"""What reading an archive raises. RecursionError: tarfile calls itself for each header before a file."""
_MOST_AT_ONCE = 2**20
"""How much tarfile may read at once. Long names are read whole, and their length is whatever it says."""


class TarArchive:
    """A tar archive as a source; ``packed`` is how it is compressed: "gz", "bz2", "xz" or "". Raises
    Unreadable."""

    def __init__(self, file: IO[bytes], limits: Limits, packed: str) -> None:
        self._file, self._limits, self._packed = file, limits, packed
        self.damage = ""
        self.size = file.seek(0, 2)
        self.entries = tuple(self._listed())
        if not self.entries and self.damage:
            raise Unreadable(self.damage)

    def _listed(self) -> Iterator[Entry]:
        try:
            with self._tar() as tar:
                for number, member in enumerate(_members(tar)):
                    if number == self._limits.files:
                        self.damage = f"it holds more than {self._limits.files} files"
                        return
                    yield _entry(member)
        except Exceeded as problem:
            self.damage = f"it holds {problem}"
        except DAMAGED as problem:
            self.damage = f"it is damaged ({problem})"

    def files(self) -> Iterator[tuple[Entry, Callable[[], AbstractContextManager[IO[bytes]]]]]:
        """Yield the files, as Source says."""
        with self._tar() as tar:
            for entry, member in zip(self.entries, _members(tar), strict=False):
                if not entry.folder and not entry.refused:
                    yield entry, partial(_opened, tar, member)

    def _tar(self) -> tarfile.TarFile:
        self._file.seek(0)
        stream = _GuardedStream(_unpacked(self._file, self._packed), self._limits.stream(self.size))
        return tarfile.open(
            fileobj=cast(IO[bytes], stream), mode="r:", encoding="utf-8", errors="surrogateescape"
        )


def _unpacked(file: IO[bytes], packed: str) -> IO[bytes]:
    if packed == "gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if packed == "bz2":
        return cast(IO[bytes], bz2.BZ2File(file))
    return cast(IO[bytes], lzma.LZMAFile(file)) if packed == "xz" else file


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every member
        yield member


def _entry(member: tarfile.TarInfo) -> Entry:
    if member.issym() or member.islnk():
        return named(member.name, refused=LINK)
    if member.isdir():
        return named(member.name, folder=True)
    return named(member.name, refused="" if member.isreg() and not member.issparse() else SPECIAL)


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> AbstractContextManager[IO[bytes]]:
    file = tar.extractfile(member)
    if file is None:
        raise tarfile.ReadError("not a plain file")
    return contextlib.closing(file)


class _GuardedStream:
    """A decompressed stream as tarfile reads it: so much at once, so much in all."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise tarfile.ReadError("a header that is too long")
        self._require(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._require(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        """Leave it open: it is its opener's."""

    def _require(self, position: int) -> None:
        if position > self._most:
            raise Exceeded("too much to read through")
