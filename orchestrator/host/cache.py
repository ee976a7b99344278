"""The content-addressed cache: each key has a folder that is either complete or absent.

Everything here can be made again. A folder appears under its final name only when it is complete
(made beside it, then renamed), so a killed maker leaves nothing half-done in use; a file lock
per key lets several processes share one cache without making anything twice.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from orchestrator.deadline import Deadline, poll
from orchestrator.errors import Unavailable
from orchestrator.paths import cache_dir

META = "meta.json"


class CacheUnwritableError(Unavailable):
    """The cache is full, read-only or another user's."""


def digest(*parts: object) -> str:
    """A short key for anything with a stable ``repr`` (bytes are used as they are)."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part if isinstance(part, bytes) else repr(part).encode())
        state.update(b"\0")
    return state.hexdigest()[:20]


def place(kind: str, key: str) -> Path:
    """The folder of this kind and key, whether or not it exists."""
    return cache_dir() / kind / key


def _lock_file(kind: str, key: str) -> IO[str]:
    folder = cache_dir() / "locks"
    with _writable():
        folder.mkdir(exist_ok=True)
        return (folder / f"{kind}-{key}").open("w")


@contextlib.contextmanager
def _writable() -> Iterator[None]:
    """Turn an error in writing to the cache into CacheUnwritableError, with a hint."""
    try:
        yield
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        raise CacheUnwritableError(
            f"cannot write to the cache {cache_dir()}: {problem.strerror} ({problem.filename})",
            hint="free space (`isolab images prune` removes what can be rebuilt), or set ISOLAB_CACHE to a "
            "folder on another disk"
            if full
            else "make it yours, or set ISOLAB_CACHE to a folder you can write to: everything in it can be "
            "made again",
        ) from None


@contextlib.contextmanager
def locked(kind: str, key: str, deadline: Deadline) -> Iterator[None]:
    """Hold the lock of one key, across processes and threads. Raises TimedOut, Interrupted."""
    with _lock_file(kind, key) as file:

        def taken() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        poll(taken, deadline, f"waiting for another isolab process to make {kind}/{key}", interval=0.01)
        yield


def make(kind: str, key: str, maker: Callable[[Path], dict[str, Any]], deadline: Deadline) -> Path:
    """Return the cached folder of this key, made by ``maker(folder)`` if it does not exist yet.

    ``maker`` fills the folder it is given and returns facts for its ``meta.json``.
    """
    final = place(kind, key)
    if (final / META).exists():
        return final
    with locked(kind, key, deadline):
        if (final / META).exists():
            return final
        with _writable():
            final.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=final.parent))
            fresh.chmod(0o755)
        try:
            meta = maker(fresh)
            (fresh / META).write_text(json.dumps(meta, indent=1, sort_keys=True))
            if final.exists():
                shutil.rmtree(final)
            fresh.rename(final)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return final


def folder_of(path: Path) -> Path | None:
    """The cached folder that a file is in; None for a file from elsewhere."""
    return next((folder for folder in path.parents if (folder / META).is_file()), None)


def meta(folder: Path) -> dict[str, Any]:
    """The facts that a cached folder's maker recorded."""
    facts = json.loads((folder / META).read_text())
    assert isinstance(facts, dict)
    return facts


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that readers see the old content or the new, never a part. ``mode`` is what the
    process's umask takes from, as ever."""
    fresh = path.parent / f".{path.name}-{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
