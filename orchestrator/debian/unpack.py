"""Unpack packages into one tar archive, recorded in dpkg's database as unpacked, not configured.

This is what ``dpkg --unpack`` does, on any host for any architecture: no code of a package runs.
Nor do preinst scripts: in a fresh system they have nothing to do (the image's tests would show
if that changed). Sources: deb(5), deb-conffiles(5), deb-triggers(5),
dpkg's doc/triggers.txt; status fields as in dpkg's lib/dpkg/parse.c.
"""

from __future__ import annotations

import copy
import hashlib
import io
import lzma
import re
import stat
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.debian.archive import part_of
from orchestrator.errors import ImageError

DATABASE = "var/lib/dpkg"
_MERGED = re.compile(r"^(bin|sbin|lib|lib64|libx32|lib32|libo32)(?=/|$)")
_MERGED_FOLDERS = ("bin", "sbin", "lib")
_OTHER_ABIS = ("lib64", "lib32", "libx32", "libo32")
_SIMPLE = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE})


@dataclass
class DpkgDatabase:
    """dpkg's folder ``/var/lib/dpkg`` as it grows: files by their path in it."""

    files: dict[str, bytes] = field(default_factory=dict)
    status: list[str] = field(default_factory=list)
    triggers: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self, control: Mapping[str, tuple[bytes, int]], paths: Sequence[str], sums: Mapping[str, str]
    ) -> None:
        """Record one package. ``control`` are the files of its control.tar with their modes,
        ``paths`` its contents, ``sums`` the MD5 digests of its configuration files."""
        from debian.deb822 import Deb822

        text = control["control"][0].decode().strip("\n")
        about = Deb822(text.splitlines())
        who = about["Package"]
        if about.get("Multi-Arch") == "same":
            who = f"{who}:{about['Architecture']}"
        noted = "".join(f"\n /{path} {sums[path]}" for path in sums)
        first, rest = text.split("\n", 1)
        conffiles = f"\nConffiles:{noted}" if noted else ""
        self.status.append(f"{first}\nStatus: install ok unpacked\n{rest}{conffiles}\n")
        self.files[f"info/{who}.list"] = "".join(f"/{path}\n" for path in (".", *paths)).encode()
        for part, (data, _mode) in control.items():
            if part != "control":
                self.files[f"info/{who}.{part}"] = data
        for line in control.get("triggers", (b"", 0))[0].decode().splitlines():
            self._interest(line.split("#")[0].split(), who)

    def _interest(self, words: list[str], who: str) -> None:
        if len(words) != 2 or not words[0].startswith("interest"):
            return
        suffix = "/noawait" if words[0] == "interest-noawait" else ""
        if words[1].startswith("/"):
            self.triggers["File"].append(f"{words[1]} {who}{suffix}\n")
        else:
            self.triggers[words[1]].append(f"{who}{suffix}\n")

    def entries(self) -> Iterator[tuple[str, bytes, int]]:
        """Path, content and mode of every file."""
        yield f"{DATABASE}/status", "\n".join(self.status).encode(), 0o644
        yield f"{DATABASE}/available", b"", 0o644
        yield f"{DATABASE}/info/format", b"1\n", 0o644
        for name, lines in self.triggers.items():
            yield f"{DATABASE}/triggers/{name}", "".join(lines).encode(), 0o644
        scripts = ("preinst", "postinst", "prerm", "postrm", "config")
        for name, data in self.files.items():
            yield f"{DATABASE}/{name}", data, 0o755 if name.endswith(scripts) else 0o644


OWNERS = "usr/lib/isolab/owners"
"""File with a line ``UID:GID MODE PATH`` for each entry not owned by root."""


def unpack(debs: Sequence[Path], target: tarfile.TarFile) -> None:
    """Write the contents of packages, and dpkg's database about them, into an archive.

    /bin, /sbin and /lib are links into /usr, whatever the packages say. Raises ImageError.
    """
    database, folders, owners = DpkgDatabase(), set[str](), list[str]()
    for deb in debs:
        try:
            owners += _unpack_one(deb, target, folders, database)
        except (tarfile.TarError, lzma.LZMAError, EOFError, KeyError) as problem:
            raise ImageError(f"cannot read package {deb}: {problem}") from None
    for name in (*_MERGED_FOLDERS, *(abi for abi in _OTHER_ABIS if f"usr/{abi}" in folders)):
        _folder(target, f"usr/{name}", folders)
        link = tarfile.TarInfo(name)
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, f"usr/{name}", 0o777
        target.addfile(link)
    for path, data, mode in database.entries():
        add_file(target, path, data, mode)
    add_file(target, OWNERS, "".join(owners).encode())


def merged(path: str) -> str:
    """The path of a package's file on a system whose /bin, /sbin and /lib* are links into /usr."""
    return _MERGED.sub(r"usr/\1", path)


def add_file(target: tarfile.TarFile, path: str, data: bytes, mode: int = 0o644, uid: int = 0) -> None:
    """Add one file with this content."""
    about = tarfile.TarInfo(path)
    about.size, about.mode, about.uid, about.gid = len(data), mode, uid, uid
    target.addfile(about, io.BytesIO(data))


def _folder(target: tarfile.TarFile, path: str, folders: set[str]) -> None:
    if path in folders:
        return
    about = tarfile.TarInfo(path)
    about.type, about.mode = tarfile.DIRTYPE, 0o755
    folders.add(path)
    target.addfile(about)


def _unpack_one(deb: Path, target: tarfile.TarFile, folders: set[str], database: DpkgDatabase) -> list[str]:
    """Unpack one package; returns a line of OWNERS for each entry not owned by root."""
    control: dict[str, tuple[bytes, int]] = {}
    with deb.open("rb") as file, part_of(file, "control.tar") as archive:
        for entry in archive:
            if content := archive.extractfile(entry) if entry.isfile() else None:
                control[entry.name.removeprefix("./")] = content.read(), entry.mode
    conffiles = {
        line.strip().lstrip("/") for line in control.get("conffiles", (b"", 0))[0].decode().splitlines()
    }
    paths: list[str] = []
    sums: dict[str, str] = {}
    owners = []
    with deb.open("rb") as file, part_of(file, "data.tar") as archive:
        for entry in archive:
            path = entry.name.removeprefix("./").rstrip("/")
            if path in ("", "."):
                continue
            paths.append(path)
            data = None
            if path in conffiles and entry.isfile():
                content = archive.extractfile(entry)
                assert content
                raw = content.read()
                data, sums[path] = io.BytesIO(raw), hashlib.md5(raw, usedforsecurity=False).hexdigest()
            _copy(archive, entry, path, target, folders, data)
            if entry.uid or entry.gid:
                owners.append(f"{entry.uid}:{entry.gid} {stat.S_IMODE(entry.mode):o} /{merged(path)}\n")
    database.add(control, paths, sums)
    return owners


def _copy(
    archive: tarfile.TarFile,
    entry: tarfile.TarInfo,
    path: str,
    target: tarfile.TarFile,
    folders: set[str],
    data: io.BytesIO | None,
) -> None:
    about = copy.copy(entry)
    about.name = merged(path)
    about.pax_headers = {}
    if entry.islnk():
        about.linkname = merged(entry.linkname.removeprefix("./"))
    if entry.type not in _SIMPLE or (entry.issym() and path in (*_MERGED_FOLDERS, *_OTHER_ABIS)):
        return
    if entry.isdir():
        if about.name in folders:
            return
        folders.add(about.name)
    target.addfile(about, data or (archive.extractfile(entry) if entry.isreg() else None))
