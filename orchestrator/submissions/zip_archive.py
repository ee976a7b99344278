"""Zip archives: names of any bytes, and nothing believed that their list of files says.

zipfile refuses a whole archive for one name that is marked UTF-8 and is not, and reads a list of any
length at once. So it reads through ``_GuardedFile``, which takes the mark off and limits each read.
"""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import IO, cast

from orchestrator.submissions.entries import ENCRYPTED, LINK, SPECIAL, Entry, Unreadable, named
from orchestrator.submissions.limits import Exceeded, Limits

_HEADER = b"PK\x01\x02"
_HEADER_BYTES = 46
_LOCAL, _LOCAL_BYTES, _LOCAL_FLAGS = b"PK\x03\x04", 30, 7
"""How each file begins, and the upper byte of its flags: APPNOTE.TXT, 4.3.7."""
_MARKED_UTF8 = 0x800
_IS_ENCRYPTED = 0x1 | 0x40
_FAT, _UNIX = 0, 3
"""Systems an archive was made on: APPNOTE.TXT, 4.4.2."""


class ZipArchive:
    """A zip archive as a source. Raises Unreadable, Exceeded."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        guarded = _GuardedFile(file, limits.directory)
        try:
            self._zip = zipfile.ZipFile(cast(IO[bytes], guarded))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as problem:
            raise Unreadable(f"it is damaged ({problem})") from None
        guarded.listing = False
        infos = self._zip.infolist()
        self.damage = f"it holds more than {limits.files} files" if len(infos) > limits.files else ""
        self._infos = infos[: limits.files]
        self.entries = tuple(_entry(info) for info in self._infos)
        self.size = file.seek(0, 2)

    def files(self) -> Iterator[tuple[Entry, Callable[[], AbstractContextManager[IO[bytes]]]]]:
        """Yield the files, as Source says."""
        for entry, info in zip(self.entries, self._infos, strict=True):
            if not entry.folder and not entry.refused:
                yield entry, partial(self._zip.open, info)


def _entry(info: zipfile.ZipInfo) -> Entry:
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    name = _name(info)
    if stat.S_ISLNK(mode):
        return named(name, refused=LINK)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return named(name, refused=SPECIAL)
    if info.flag_bits & _IS_ENCRYPTED:
        return named(name, refused=ENCRYPTED)
    return named(name, folder=name.endswith("/") or stat.S_ISDIR(mode))


def _name(info: zipfile.ZipInfo) -> str:
    """Return the name: UTF-8 if it is, marked or not, else code page 437, which has a character for each
    byte. Old programs of Windows separate folders by backslashes."""
    name = info.orig_filename
    with suppress(UnicodeError):
        name = name.encode("cp437").decode()
    return name.replace("\\", "/") if info.create_system == _FAT and "/" not in name else name


class _GuardedFile:
    """A file as zipfile reads it. Names lose their mark of UTF-8, in the list of files while ``listing``, and
    where each file begins."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._most = file, most
        self.listing = True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._most + 1 if size < 0 else min(size, self._most + 1))
        if len(data) > self._most:
            raise Exceeded("a list of files that is too long")
        if self.listing and data.startswith(_HEADER):
            return _unmarked(data)
        if len(data) == _LOCAL_BYTES and data.startswith(_LOCAL):
            return data[:_LOCAL_FLAGS] + bytes([data[7] & ~(_MARKED_UTF8 >> 8)]) + data[8:]
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Leave it open: it is its opener's."""


def _unmarked(directory: bytes) -> bytes:
    """Return a zip archive's central directory with no name marked as UTF-8: APPNOTE.TXT, 4.3.12."""
    data, at = bytearray(directory), 0
    while at + _HEADER_BYTES <= len(data) and data[at : at + 4] == _HEADER:
        (flags,) = struct.unpack_from("<H", data, at + 8)
        struct.pack_into("<H", data, at + 8, flags & ~_MARKED_UTF8)
        at += _HEADER_BYTES + sum(struct.unpack_from("<HHH", data, at + 28))
    return bytes(data)
