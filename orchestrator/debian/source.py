"""Debian source packages: found in a suite's index, unpacked, patched.

Source: the format ``3.0 (quilt)`` (dpkg-source(1)). Patches are applied here, since no host need have
patch(1), and strictly: a hunk must match to the letter, at its line or at one other place.
"""

from __future__ import annotations

import lzma
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.errors import ImageError

SERIES = "debian/patches/series"
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_NOWHERE = b"/dev/null"


@dataclass(frozen=True)
class SourcePackage:
    """``archives`` are the package's archives, upstream's first: SHA-256 and size in bytes by file name."""

    version: str
    directory: str
    archives: Mapping[str, tuple[str, int]]

    @property
    def upstream(self) -> str:
        """The version without Debian's revision."""
        return upstream_version(self.version)

    @classmethod
    def find(cls, name: str, index: bytes) -> SourcePackage | None:
        """Find a package in the text of a Sources file."""
        from debian.deb822 import Sources

        start = re.search(rb"(?:\A|\n\n)(?=Package: %s\n)" % re.escape(name.encode()), index)
        if start is None:
            return None
        about = Sources(index[start.end() :].partition(b"\n\n")[0].decode(errors="replace"))
        files = {row["name"]: (row["sha256"], int(row["size"])) for row in about["Checksums-Sha256"]}
        archives = {name: row for name, row in files.items() if re.search(r"\.tar\.\w+$", name)}
        order = sorted(archives, key=lambda name: ".orig" not in name)
        return cls(about["Version"], about["Directory"], {name: archives[name] for name in order})


def upstream_version(version: str) -> str:
    """Return a package's version without epoch and Debian's revision: ``1:1.2.5-3`` -> ``1.2.5``."""
    return version.rpartition(":")[2].rpartition("-")[0] or version


def unpack_source(archives: Sequence[Path]) -> dict[str, bytes]:
    """Return the files of a source package by path, its patches applied: upstream's without their top
    folder, Debian's beneath ``debian/``. Raises ImageError."""
    files: dict[str, bytes] = {}
    for archive in archives:
        try:
            with tarfile.open(archive) as opened:
                for entry in opened:
                    content = opened.extractfile(entry) if entry.isfile() else None
                    if content is not None:
                        files[_place(entry.name)] = content.read()
        except (tarfile.TarError, lzma.LZMAError, EOFError) as problem:
            raise ImageError(f"cannot read source package {archive}: {problem}") from None
    for line in files.get(SERIES, b"").decode().splitlines():
        if name := line.partition("#")[0].strip().split(" ")[0]:
            apply_patch(files, files[f"debian/patches/{name}"], name)
    return files


def _place(name: str) -> str:
    parts = PurePosixPath(name).parts
    return "/".join(parts if parts[0] == "debian" else parts[1:])


def apply_patch(files: dict[str, bytes], patch: bytes, name: str) -> None:
    """Apply a unified diff to files by path. Raises ImageError with the ``name`` of one that does not fit."""
    for part in re.split(rb"^(?=--- \S+.*\n\+\+\+ )", patch, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        old, new = (line.split()[1] for line in lines[:2])
        path = (old if new == _NOWHERE else new).split(b"/", 1)[-1].decode()
        before = [] if old == _NOWHERE else files.get(path, b"").splitlines(keepends=True)
        after = _patched(before, lines[2:], f"{name} does not fit {path}")
        if new == _NOWHERE:
            del files[path]
        else:
            files[path] = b"".join(after)


def _patched(content: list[bytes], lines: Sequence[bytes], failure: str) -> list[bytes]:
    result = list(content)
    moved = 0
    for start, old, new in _hunks(lines):
        wanted = max(0, start - 1) + moved
        places = [n for n in range(len(result) - len(old) + 1) if result[n : n + len(old)] == old]
        if not places:
            raise ImageError(f"the patch {failure}, line {start}")
        place = min(places, key=lambda n: abs(n - wanted))
        result[place : place + len(old)] = new
        moved = place - max(0, start - 1) + len(new) - len(old)
    return result


def _hunks(lines: Sequence[bytes]) -> Iterator[tuple[int, list[bytes], list[bytes]]]:
    """Yield the hunks of one file: the first line's number, the lines before, the lines after. Their numbers
    say where a hunk ends: what follows may begin with a minus too."""
    rest = iter(lines)
    for first in rest:
        if not (head := _HUNK.match(first)):
            continue
        old: list[bytes] = []
        new: list[bytes] = []
        before, after = int(head[2] or 1), int(head[3] or 1)
        while len(old) < before or len(new) < after:
            line = next(rest, b"\\")
            if line[:1] == b"\\":
                raise ImageError("a patch ends within a hunk, or is for a file without a last newline")
            text = line if line == b"\n" else line[1:]
            if line[:1] != b"+":
                old.append(text)
            if line[:1] != b"-":
                new.append(text)
        yield int(head[1]), old, new
