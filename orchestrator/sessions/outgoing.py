"""What `push` sends: files, folders and links of this host, as members of a tar stream.

A path that was named explicitly means the file behind it, also through a symbolic link. Links within a
folder stay links: symbolic ones as they are, hard ones to the first of their names. What tar(1) in a
machine could not make (FIFOs, sockets, devices) is left out and reported.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import LabError, SpecError

KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
LEAST_HOLE = 2**16
"""Bytes of holes from which a file is sent without them."""


@dataclass
class Outgoing:
    """What is sent: ``members`` with their names in the machine, of which ``sparse`` are files with holes;
    ``size`` is the bytes of data, ``left_out`` says what is not sent, and why."""

    members: list[tuple[Path, str]] = field(default_factory=list)
    sparse: list[tuple[Path, str]] = field(default_factory=list)
    size: int = 0
    left_out: list[str] = field(default_factory=list)


def outgoing(paths: Sequence[Path]) -> Outgoing:
    """Look at everything to send. Raises SpecError for what is missing or cannot be read."""
    found = Outgoing()
    for path in paths:
        real = _behind(path)
        name = real.name if path.name in ("", "..") else path.name
        for file, inner in _beneath(real):
            _note(found, file, f"{name}/{inner}" if inner else name)
    return found


def _behind(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as problem:  # RuntimeError: a link to itself, before Python 3.13
        if path.is_symlink():
            raise SpecError(f"{path} is a link to {path.readlink()}, which does not exist") from None
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        missing = isinstance(problem, OSError) and problem.errno == errno.ENOENT
        raise SpecError(f"{path}: no such file or folder" if missing else f"{path}: {why}") from None


def _beneath(top: Path) -> Iterator[tuple[Path, str]]:
    """Yield a file, or a folder and what is beneath it, with the names below ``top``. Links are not
    followed. Raises SpecError for a folder that cannot be read."""
    yield top, ""
    if top.is_symlink() or not top.is_dir():
        return
    try:
        entries = sorted(top.iterdir())
    except OSError as problem:
        raise SpecError(f"{top}: {problem.strerror}") from None
    for entry in entries:
        for file, inner in _beneath(entry):
            yield file, f"{entry.name}/{inner}" if inner else entry.name


def _note(found: Outgoing, path: Path, name: str) -> None:
    about = path.lstat()
    kind = KINDS.get(stat.S_IFMT(about.st_mode))
    if kind:
        found.left_out.append(f"{path} is {kind}")
        return
    if not stat.S_ISREG(about.st_mode):
        found.members.append((path, name))
        return
    if not os.access(path, os.R_OK):
        raise SpecError(f"{path}: permission denied")
    stored = about.st_blocks * 512  # the unit of stat(2)
    sparse = about.st_nlink == 1 and about.st_size - stored >= LEAST_HOLE
    (found.sparse if sparse else found.members).append((path, name))
    found.size += min(about.st_size, stored) if sparse else about.st_size


def add(tar: tarfile.TarFile, path: Path, name: str, uid: int) -> bool:
    """Add one member, owned by ``uid``; returns whether it is a file. Raises OSError, LabError for one that
    is no longer what it was."""
    about = tar.gettarinfo(path, arcname=name)
    if about is None or not (about.isreg() or about.isdir() or about.issym() or about.islnk()):
        raise LabError(f"cannot send {path}: it changed meanwhile")
    about.uid = about.gid = uid
    about.uname = about.gname = ""
    if about.isreg():
        with path.open("rb") as file:
            tar.addfile(about, file)
    else:
        tar.addfile(about)
    return about.isreg() or about.islnk()


def extents(path: Path) -> list[tuple[int, int]]:
    """Return where a file has data: offsets and lengths in whole blocks of BLOCK bytes (lseek(2))."""
    found, at = [], 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError as problem:
                if problem.errno == errno.ENXIO:  # a hole up to the end
                    break
                raise
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            found.append((begin, -(-(at - begin) // BLOCK) * BLOCK))
    return found


BLOCK = 4096

_FILL = """\
set -e; cd "$1"; file=$2; size=$3; when=$4; mode=$5; shift 5
rm -f -- "$file"; dd of="$file" bs=1 count=0 seek="$size" 2>/dev/null
while [ $# -gt 0 ]; do
  dd of="$file" bs=4096 seek="$1" count="$2" iflag=fullblock conv=notrunc 2>/dev/null; shift 2
done
dd of="$file" bs=1 count=0 seek="$size" 2>/dev/null
chmod "$mode" "$file"; touch -d "@$when" "$file"
"""
"""Script for sh: makes a file with holes, and fills it from standard input where it has data."""

MOST_EXTENTS = 1000
"""Of one file: their numbers are arguments of a command."""


def render_fill(folder: str, name: str, path: Path, where: Sequence[tuple[int, int]]) -> list[str]:
    """Return the command that makes a sparse file in a machine, given its data's extents."""
    about = path.stat()
    numbers = [str(number // BLOCK) for extent in where for number in extent]
    mode = oct(stat.S_IMODE(about.st_mode) & 0o777)[2:]
    return [
        "/bin/sh", "-c", _FILL, "sh", folder, f"./{name}", str(about.st_size), str(int(about.st_mtime)),
        mode, *numbers,
    ]  # fmt: skip
