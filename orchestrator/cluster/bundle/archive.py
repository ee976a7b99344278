"""The archive of a bundle: tar without times and owners, so that the same content is the same bytes."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from orchestrator.cluster.bundle.contents import MOST_BYTES, MOST_FILES
from orchestrator.errors import SpecError
from orchestrator.host.cache import sha256_file

_ENDING, _HALF = ".tar", ".packing-"
KEPT, KEPT_SECONDS = 20, 24 * 3600.0
"""How many archives are kept, and how long all are: another command may be sending an older one."""


def write(target: Path, first: Mapping[str, bytes], files: Mapping[str, Path]) -> tuple[str, Path]:
    """Write an archive of these contents and these files into the folder ``target``, called by its digest.

    Returns the digest (SHA-256, hexadecimal) and the archive. Raises OSError; SpecError for a file that
    is being written to.
    """
    descriptor, name = tempfile.mkstemp(prefix=_HALF, dir=target)
    try:
        with (
            os.fdopen(descriptor, "wb") as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar,
        ):
            for inside, data in first.items():
                tar.addfile(_member(inside, len(data)), io.BytesIO(data))
            for inside in sorted(files):
                _add(tar, inside, files[inside])
        found = sha256_file(Path(name))
        final = target / f"{found}{_ENDING}"
        Path(name).replace(final)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return found, final


def _add(tar: tarfile.TarFile, inside: str, file: Path) -> None:
    with file.open("rb") as content:
        about = os.fstat(content.fileno())
        member = _member(inside, about.st_size, executable=bool(about.st_mode & stat.S_IXUSR))
        try:
            tar.addfile(member, content)
        except OSError as problem:
            if problem.errno is not None:
                raise
            raise SpecError(  # tarfile's own words for a file that has become shorter
                f"{file} was changed while it was packed", hint="try again when it is saved"
            ) from None


def _member(inside: str, size: int, *, executable: bool = False) -> tarfile.TarInfo:
    member = tarfile.TarInfo(inside)
    member.size, member.mode = size, 0o755 if executable else 0o644
    return member


def forget_old(folder: Path, newest: Path) -> None:
    """Remove archives of former labs from a folder, and what killed commands left half packed."""
    found = [path for path in folder.iterdir() if path != newest and _is_ours(path)]
    ages = {path: _age(path) for path in found}
    for path in sorted(found, key=lambda one: ages[one])[KEPT - 1 :]:
        if ages[path] > KEPT_SECONDS:
            path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    """Seconds since a file was written; 0 for one that somebody else has just removed."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _is_ours(path: Path) -> bool:
    return path.name.startswith(_HALF) or path.suffix == _ENDING


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a bundle into an existing folder. Raises SpecError for what is none, or would write outside;
    OSError."""
    total = 0
    with _opened(archive) as tar:
        for number, member in enumerate(_members(tar)):
            total += member.size
            if total > 2 * MOST_BYTES or number > 2 * MOST_FILES:
                raise SpecError(f"{archive.name} is larger than any bundle")
            target = folder / _confined(member, archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None  # it is a plain file
            _write(target, content, 0o755 if member.mode & stat.S_IXUSR else 0o644)


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, mode="r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as problem:
        raise SpecError(f"{archive.name} is no bundle, or a damaged one: {problem}") from None


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        yield member


def _confined(member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if (
        not member.isreg()
        or path.is_absolute()
        or ".." in path.parts
        or not path.parts
        or "\0" in member.name
    ):
        raise SpecError(f"{archive.name} is no bundle: it has an entry {member.name!r}")
    return path


def _write(target: Path, content: IO[bytes], mode: int) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        while part := content.read(2**20):
            file.write(part)
