"""The files that home folders on a host begin with, packed for the way: folders and plain files, nothing
else."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from orchestrator.errors import SpecError

PLAIN, PROGRAM = 0o644, 0o755


class Packing:
    """A tar.gz that is being written: add folders, then ``finish``."""

    def __init__(self) -> None:
        self._data = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._data, mode="w:gz")  # noqa: SIM115 - closed in finish()

    def add(self, name: str, folder: Path) -> None:
        """Add what is in a folder, below ``name``. Raises OSError."""
        self._add_folder(name)
        for path in sorted(folder.rglob("*")):
            inside = f"{name}/{path.relative_to(folder)}"
            about = path.lstat()
            if stat.S_ISDIR(about.st_mode):
                self._add_folder(inside)
            elif stat.S_ISREG(about.st_mode):
                data = path.read_bytes()
                member = _member(inside, PROGRAM if about.st_mode & stat.S_IXUSR else PLAIN)
                member.size = len(data)
                self._tar.addfile(member, io.BytesIO(data))

    def _add_folder(self, name: str) -> None:
        member = _member(name, PROGRAM)
        member.type = tarfile.DIRTYPE
        self._tar.addfile(member)

    def finish(self) -> bytes:
        """Return the archive."""
        self._tar.close()
        return self._data.getvalue()


def _member(name: str, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = mode
    return member


def unpack(data: bytes, folder: Path) -> None:
    """Unpack what was packed into an empty folder. Raises SpecError for what would write elsewhere, or is no
    such archive; OSError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            _unpack(tar, tar, folder)
    except (tarfile.TarError, EOFError, ValueError) as problem:
        raise SpecError(f"the starting files of home folders are damaged: {problem}") from None


def _unpack(tar: tarfile.TarFile, members: Iterable[tarfile.TarInfo], folder: Path) -> None:
    for member in members:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isdir() or member.isreg()):
            raise SpecError(f"the starting files of home folders have an entry {member.name!r}")
        target = folder / path
        if member.isdir():
            target.mkdir(exist_ok=True)
            continue
        content = tar.extractfile(member)
        assert content is not None  # it is a plain file
        with target.open("xb") as file:
            file.write(content.read())
        target.chmod(PROGRAM if member.mode & stat.S_IXUSR else PLAIN)
