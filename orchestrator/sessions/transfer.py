"""Transfer files and folders to and from running machines as streams: nothing is held in memory,
and nothing a machine sends is trusted.

Both directions go through tar in the machine, run as one of its users, so that on a machine without
a boundary it can write no more of this host than that user.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, SpecError, TimedOut, TransportError
from orchestrator.formatting import printable
from orchestrator.host import process
from orchestrator.units import size_text

STALL_SECONDS = 120.0
"""How long a transfer may stall before it is aborted."""
LAST_SECONDS = 2.0
"""How long to wait for a failed command, to learn why it failed."""
MOST_ENTRIES = 100_000
HEADER_BYTES = 2**20
"""How much a machine may send between two files: only names are useful."""
_BLOCK = 65536

_UNPACK = 'mkdir -p -- "$1" && exec tar -x -f - -C "$1"'
_PACK = 'exec tar -c -f - -C "$1" "$2"'

OnProgress = Callable[[int], None]
"""Called with the number of bytes transferred so far."""


@dataclass
class Received:
    """What a machine sent: names of ``files``, their total size in bytes, and names of what was
    skipped (links, devices)."""

    files: list[str] = field(default_factory=list)
    size: int = 0
    left_out: list[str] = field(default_factory=list)


def render_unpack(folder: str) -> list[str]:
    """Return the command that unpacks a stream into ``folder``, relative to its working directory. Pure."""
    return ["/bin/sh", "-c", _UNPACK, "sh", folder]


def render_pack(path: str) -> list[str]:
    """Return the command that packs one file or folder. Pure."""
    where = PurePosixPath(path)
    folder, name = (where.parent, f"./{where.name}") if where.name not in ("", "..") else (where, ".")
    return ["/bin/sh", "-c", _PACK, "sh", str(folder), name]


def measure(paths: Sequence[Path]) -> int:
    """Return the total bytes of the files to send. Raises SpecError for one that cannot be read."""
    total = 0
    for path in paths:
        if not path.exists():
            raise SpecError(f"{path}: no such file or folder")
        for file in [path, *(path.rglob("*") if path.is_dir() else ())]:
            if file.is_file() and (file == path or not file.is_symlink()):
                if not os.access(file, os.R_OK):
                    raise SpecError(f"{file}: permission denied")
                total += file.stat().st_size
    return total


def send(argv: Sequence[str], paths: Sequence[Path], uid: int, on_progress: OnProgress) -> int:
    """Send files and folders to the command ``argv`` that unpacks them; returns how many files.

    Raises TransportError, TimedOut, LabError for a file that changes during the transfer.
    """
    count = 0

    def ours(about: tarfile.TarInfo) -> tarfile.TarInfo | None:
        nonlocal count
        if not (about.isreg() or about.isdir() or about.issym()):
            return None
        about.uid = about.gid = uid
        about.uname = about.gname = ""
        count += about.isreg()
        return about

    with _talking(argv) as (talk, words):
        sink = _Sink(talk, on_progress)
        try:
            with tarfile.open(fileobj=cast(IO[bytes], sink), mode="w|", format=tarfile.GNU_FORMAT) as tar:
                for path in paths:
                    real = path.resolve()  # follow a link that was named explicitly
                    name = real.name if path.name in ("", "..") else path.name
                    tar.add(real, arcname=name, filter=ours)
            talk.end_input()
        except TransportError:
            raise TransportError(
                f"the machine did not accept the files: {words() or 'connection closed'}"
            ) from None
        except OSError as problem:
            raise LabError(f"cannot send {problem.filename or 'a file'}: {problem}") from None
        _require_success(talk, "unpack the files")
    return count


def receive(argv: Sequence[str], target: Path, limit: int, on_progress: OnProgress) -> Received:
    """Receive what the command ``argv`` packs into the folder ``target``, at most ``limit`` bytes.

    Only regular files and folders are accepted, under plain relative names; links in the archive are
    skipped, and links on this host that lead out of ``target`` are not followed. Raises
    TransportError, TimedOut.
    """
    target.mkdir(parents=True, exist_ok=True)
    received = Received()
    with _talking(argv) as (talk, words):
        talk.end_input()
        source = _Source(talk, limit, on_progress)
        try:
            with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|", bufsize=_BLOCK) as tar:
                _take(tar, source, target.resolve(), received, limit)
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as problem:
            complaints = words()
            raise TransportError(complaints or f"the machine sent an invalid archive: {problem}") from None
        _require_success(talk, "pack the files")
    return received


def _take(tar: tarfile.TarFile, source: _Source, target: Path, received: Received, limit: int) -> None:
    for number in range(MOST_ENTRIES + 1):
        source.grant(HEADER_BYTES)
        entry = tar.next()
        if entry is None:
            source.drain()
            return
        if number == MOST_ENTRIES:
            raise TransportError(
                f"the machine sent more than {MOST_ENTRIES} files",
                hint="pack them into one archive on the machine, and pull that",
            )
        name = _plain(entry.name)
        where = target.joinpath(*name.parts)
        tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every member
        if entry.isdir():
            _folder(where, target)
        elif not entry.isreg() or entry.issparse():
            received.left_out.append(str(name))
        else:
            if not 0 <= entry.size <= limit - received.size:
                raise too_much(limit)
            source.grant(entry.size + 2 * _BLOCK)
            _folder(where.parent, target)
            _write(tar, entry, where)
            received.files.append(str(name))
            received.size += entry.size


def too_much(limit: int) -> TransportError:
    """Return the error for a machine that sends more than the limit."""
    return TransportError(
        f"the machine sent more than {size_text(limit)}",
        hint="files received so far were kept; raise --limit, such as --limit 4GiB",
    )


def _plain(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise TransportError(f"the machine sent a file name that leaves the folder: {name!r}")
    return path


def _folder(where: Path, target: Path) -> None:
    """Create a folder below ``target`` without following links."""
    here = target
    for part in where.relative_to(target).parts:
        here /= part
        try:
            if here.is_symlink():
                raise TransportError(
                    f"{here} is a symbolic link; not following it for files from a machine",
                    hint="remove it, or name another folder",
                )
            here.mkdir(exist_ok=True)
        except OSError as problem:  # is_symlink() too, if the name is too long
            raise LabError(f"cannot create folder {str(here)[:200]}: {problem.strerror}") from None


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, where: Path) -> None:
    """Write a new file; an existing one is replaced, never written through."""
    content = tar.extractfile(entry)
    assert content is not None
    try:
        where.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(where, flags, entry.mode & 0o777 | 0o600), "wb") as file:
            while block := content.read(_BLOCK):
                file.write(block)
    except OSError as problem:
        raise LabError(f"cannot write {where}: {problem.strerror or problem}") from None


class _Sink:
    """Output of a tar stream."""

    def __init__(self, talk: process.Conversation, on_progress: OnProgress) -> None:
        self._talk, self._on_progress, self._count = talk, on_progress, 0

    def write(self, data: bytes) -> int:
        for start in range(0, len(data), _BLOCK):
            self._talk.send(data[start : start + _BLOCK], Deadline.after(STALL_SECONDS))
        self._count += len(data)
        self._on_progress(self._count)
        return len(data)


class _Source:
    """Input of a tar stream, limited to what was granted: a header may claim any length."""

    def __init__(self, talk: process.Conversation, limit: int, on_progress: OnProgress) -> None:
        self._talk, self._limit, self._on_progress = talk, limit, on_progress
        self._granted = HEADER_BYTES
        self._count = 0

    def grant(self, size: int) -> None:
        self._granted = size

    def read(self, size: int = -1) -> bytes:
        block = self._talk.receive(Deadline.after(STALL_SECONDS))
        self._granted -= len(block)
        self._count += len(block)
        if self._granted < 0:
            raise TransportError("the machine sent too much data between files")
        self._on_progress(self._count)
        return block

    def drain(self) -> None:
        """Read the padding at the end of an archive."""
        self.grant(HEADER_BYTES)
        while self.read():
            pass


@contextmanager
def _talking(argv: Sequence[str]) -> Iterator[tuple[process.Conversation, Callable[[], str]]]:
    """Run a command; yields it and a function that returns its error output once it has failed."""
    talk = process.Conversation(argv)

    def words() -> str:
        try:
            return _last(talk.finish(Deadline.after(LAST_SECONDS)))
        except TimedOut:
            return ""

    try:
        yield talk, words
    finally:
        talk.close()


def _require_success(talk: process.Conversation, what: str) -> None:
    done = talk.finish(Deadline.after(STALL_SECONDS))
    if done.code != 0:
        raise TransportError(f"the machine cannot {what}: {_last(done) or f'status {done.code}'}")


def _last(done: process.Finished) -> str:
    return "\n".join(printable(line) for line in done.tail(4).splitlines())
