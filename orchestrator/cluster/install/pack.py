"""A part as one archive, the same bytes for the same files; made once and kept in the cache."""

from __future__ import annotations

import gzip
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cluster.install.parts import Part
from orchestrator.deadline import Deadline
from orchestrator.host import cache

KIND = "cluster-parts"
PACK_SECONDS = 600.0
VERSION = 1
_LEVEL = 6
"""zlib's: of the compiler's 200 MiB it leaves 64, in ten seconds. Python 3.11 has no zstd, and xz takes
minutes."""


@dataclass(frozen=True)
class Packed:
    """A part's archive: tar, gzip; its size in bytes and its digest (SHA-256, hexadecimal)."""

    key: str
    path: Path
    size: int
    sha256: str


def pack(part: Part, deadline: Deadline) -> Packed:
    """Return a part's archive, made unless the cache has it. Raises CacheUnwritableError, TimedOut,
    Interrupted."""

    def fill(folder: Path) -> dict[str, Any]:
        path = folder / "part.tar.gz"
        _write(part, path, deadline)
        return {"size": path.stat().st_size, "sha256": cache.sha256_file(path)}

    folder = cache.make(KIND, _cache_key(part), fill, deadline.within(PACK_SECONDS))
    about = cache.meta(folder)
    return Packed(part.key, folder / "part.tar.gz", int(about["size"]), str(about["sha256"]))


def is_packed(part: Part) -> bool:
    """Return whether the cache has a part's archive."""
    return (cache.place(KIND, _cache_key(part)) / cache.META).exists()


def _cache_key(part: Part) -> str:
    return f"{part.key}-{VERSION}"


def _write(part: Part, path: Path, deadline: Deadline) -> None:
    # Neither the time nor the name of the file that gzip would note.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, source in sorted(part.files.items()):
            deadline.check(f"packing {part.name}")
            with source.open("rb") as file:
                archive.addfile(_entry(name, source), file)


def _entry(name: str, source: Path) -> tarfile.TarInfo:
    about = source.stat()
    entry = tarfile.TarInfo(name)
    entry.size = about.st_size
    entry.mode = 0o755 if about.st_mode & 0o100 else 0o644
    return entry
