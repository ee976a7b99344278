"""A folder or an archive as a source of files, recognised by content, whatever its name."""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import IO

from orchestrator.submissions.entries import LINK, SPECIAL, Entry, EntrySource, Unreadable, named, shown_name
from orchestrator.submissions.limits import Limits
from orchestrator.submissions.tar_archive import TarArchive
from orchestrator.submissions.zip_archive import ZipArchive

_TAR_BLOCK = 512
_PACKED = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}
_UNSUPPORTED = {
    b"Rar!\x1a\x07": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
}
_SUFFIXES = (
    ".zip", ".tar", ".tgz", ".tar.gz", ".tbz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".rar", ".7z",
    ".tzst", ".tar.zst",
)  # fmt: skip
READ = "isolab reads zip, and tar with or without gzip, bzip2 or xz"


def stem(name: str) -> str:
    """Return the name of an archive without its suffix; "" if the name is not one of an archive."""
    low = name.lower()
    ending = max((end for end in _SUFFIXES if low.endswith(end) and len(low) > len(end)), key=len, default="")
    return name[: -len(ending)] if ending else ""


@contextlib.contextmanager
def source(path: Path, limits: Limits) -> Iterator[EntrySource]:
    """Open a folder or an archive. Raises Unreadable, with words that end a sentence about it; Exceeded."""
    if path.is_dir():
        yield FolderSource(path, limits)
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("it is neither a folder nor a plain file")
        yield _archive(file, limits)


def _archive(file: IO[bytes], limits: Limits) -> EntrySource:
    begin = file.read(_TAR_BLOCK)
    file.seek(0)
    if begin.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipArchive(file, limits)
    for magic, packed in _PACKED.items():
        if begin.startswith(magic):
            return TarArchive(file, limits, packed)
    for magic, what in _UNSUPPORTED.items():
        if begin.startswith(magic):
            raise Unreadable(f"it is {what}; {READ}")
    if _is_tar(begin):
        return TarArchive(file, limits, "")
    raise Unreadable(f"it is {'no archive' if begin else 'empty'}; {READ}")


def _is_tar(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class FolderSource:
    """A folder as a source: read only, and no link is followed."""

    size = None

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self.damage = ""
        self.entries = tuple(self._listed(limits.files))

    def _listed(self, most: int) -> Iterator[Entry]:
        pending, count = [""], 0
        while pending:
            above = pending.pop()
            for found in self._children(above):
                count += 1
                if count > most:
                    self.damage = f"it holds more than {most} files"
                    return
                entry = _found(f"{above}{found.name}", found)
                yield entry
                if entry.folder and not entry.refused and not entry.ignored:
                    pending.append(f"{above}{found.name}/")

    def _children(self, above: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder / above) as found:
                return sorted(found, key=lambda one: one.name)
        except OSError as problem:
            where = f"{shown_name(above)} in it" if above else "it"
            raise Unreadable(f"{where} cannot be read ({problem.strerror})") from None

    def files(self) -> Iterator[tuple[Entry, Callable[[], AbstractContextManager[IO[bytes]]]]]:
        """Yield the files, as Source says."""
        for entry in self.entries:
            if not entry.folder and not entry.refused:
                yield entry, partial(_plain_file, self._folder / entry.path)


def _found(name: str, found: os.DirEntry[str]) -> Entry:
    if found.is_symlink():
        return named(name, refused=LINK)
    if found.is_dir(follow_symlinks=False):
        return named(name, folder=True)
    return named(name, refused="" if found.is_file(follow_symlinks=False) else SPECIAL)


def _plain_file(path: Path) -> IO[bytes]:
    """Open a file that may have been replaced since it was listed. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, SPECIAL)
    return os.fdopen(descriptor, "rb")
