"""A root file system as data, written as cpio for kernels or as tar.

The cpio format is "newc", the one the kernel unpacks
(kernel.org: Documentation/driver-api/early-userspace/buffer-format.rst).
"""

from __future__ import annotations

import io
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class TreeEntry:
    """A folder, file, symbolic link or device node; ``mode`` includes the file type bits."""

    mode: int
    data: bytes = b""
    uid: int = 0
    gid: int = 0
    device: tuple[int, int] = (0, 0)


@dataclass
class Tree:
    """Entries by path (no leading slash); parents of a path are made as needed."""

    entries: dict[str, TreeEntry] = field(default_factory=dict)

    def folder(self, path: str, mode: int = 0o755, uid: int = 0) -> None:
        self._parents(path)
        self.entries[path] = TreeEntry(stat.S_IFDIR | mode, uid=uid, gid=uid)

    def file(self, path: str, data: bytes | str, mode: int = 0o644, uid: int = 0) -> None:
        self._parents(path)
        content = data.encode() if isinstance(data, str) else data
        self.entries[path] = TreeEntry(stat.S_IFREG | mode, content, uid, uid)

    def link(self, path: str, target: str) -> None:
        self._parents(path)
        self.entries[path] = TreeEntry(stat.S_IFLNK | 0o777, target.encode())

    def device(self, path: str, major: int, minor: int, mode: int) -> None:
        self._parents(path)
        self.entries[path] = TreeEntry(stat.S_IFCHR | mode, device=(major, minor))

    def _parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            self.entries.setdefault(parent, TreeEntry(stat.S_IFDIR | 0o755))

    def write_cpio(self, path: Path) -> None:
        """Write an initial RAM file system, with entries in a stable order."""
        with path.open("wb") as file:
            for number, name in enumerate(sorted(self.entries), start=1):
                _cpio_entry(file, name, number, self.entries[name])
            _cpio_entry(file, "TRAILER!!!", 0, TreeEntry(0))

    def write_tar(self, path: Path) -> None:
        """Write the same content without device nodes, for containers."""
        with tarfile.open(path, "w") as archive:
            for name in sorted(self.entries):
                entry = self.entries[name]
                if stat.S_ISCHR(entry.mode):
                    continue
                about = tarfile.TarInfo(name)
                about.mode = stat.S_IMODE(entry.mode)
                about.uid, about.gid = entry.uid, entry.gid
                if stat.S_ISDIR(entry.mode):
                    about.type = tarfile.DIRTYPE
                elif stat.S_ISLNK(entry.mode):
                    about.type, about.linkname = tarfile.SYMTYPE, entry.data.decode()
                else:
                    about.size = len(entry.data)
                archive.addfile(about, io.BytesIO(entry.data) if about.size else None)


def _cpio_entry(file: BinaryIO, name: str, number: int, entry: TreeEntry) -> None:
    raw = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    major, minor = entry.device
    numbers = (number, entry.mode, entry.uid, entry.gid, links, 0, len(entry.data), 0, 0, major, minor)
    header = b"070701" + b"".join(b"%08X" % n for n in (*numbers, len(raw), 0))
    file.write(header + raw + _padding(len(header) + len(raw)) + entry.data + _padding(len(entry.data)))


def _padding(length: int) -> bytes:
    return b"\0" * (-length % 4)
