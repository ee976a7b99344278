"""Transfer files and folders to and from running machines as streams: nothing is held in memory,
and nothing a machine sends is trusted.

Both directions go through tar in the machine, run as one of its users, so that on a machine without
a boundary it can write no more of this host than that user.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, SpecError, TimedOut, TransportError
from orchestrator.formatting import printable
from orchestrator.host import process
from orchestrator.sessions.outgoing import BLOCK, MOST_EXTENTS, Outgoing, add, extents, render_fill
from orchestrator.transport.base import EndingStream
from orchestrator.units import size_text

STALL_SECONDS = 120.0
"""How long a transfer may stall before it is aborted."""
LAST_SECONDS = 2.0
"""How long to wait for a failed command, to learn why it failed."""
MOST_ENTRIES = 100_000
HEADER_BYTES = 2**20
"""How much a machine may send between two files: only names are useful."""
_BLOCK = 65536

NO_FOLDER, NOT_WRITABLE, ABSENT, CLOSED = 45, 46, 44, 47
"""Exit statuses by which the scripts say what is wrong; tar's own are 1 and 2."""

_UNPACK = f"""\
case $1/ in */../*)
  before=$1/
  before=${{before%/../*}}
  [ -d "${{before:-/}}" ] || {{ echo "there is no folder $before" >&2; exit {NO_FOLDER}; }}
esac
mkdir -p -- "$1" || exit {NO_FOLDER}; [ -w "$1" ] || exit {NOT_WRITABLE}; exec tar -x -p -f - -C "$1"
"""
"""What mkdir(1) makes on the way to a `..` behind it would be left, although nobody asked for it."""
_PACK = f"""\
above=$1
while [ ! -e "$above" ]; do
  case $above in */*) above=${{above%/*}} ;; *) above=. ;; esac
  [ -n "$above" ] || above=/
done
[ -d "$above" ] && [ ! -x "$above" ] && exit {CLOSED}
if [ ! -e "$1/$2" ]; then
  [ -L "$1/$2" ] && echo "a link to $(readlink "$1/$2"), which does not exist" >&2
  exit {ABSENT}
fi
[ -L "$1/$2" ] && [ -d "$1/$2" ] && exec tar -c -f - -C "$1" "$2/."
[ -L "$1/$2" ] && exec tar -c -h -f - -C "$1" "$2"
exec tar -c -f - -C "$1" "$2"
"""
"""A link that was named means what is behind it; links within a folder are left as they are."""

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


def send(
    entry: Callable[[Sequence[str]], Sequence[str]],
    folder: str,
    what: Outgoing,
    uid: int,
    on_progress: OnProgress,
) -> int:
    """Send files and folders into ``folder`` of a machine; returns how many files.

    ``entry`` makes the command line that runs a command there as the user ``uid``. Raises SpecError where
    the folder cannot be written, TransportError, TimedOut, LabError for a file that changes meanwhile.
    """
    count = 0
    with _talking(entry(render_unpack(folder))) as (talk, words):
        sink = _Sink(talk, on_progress)
        try:
            with tarfile.open(fileobj=cast(IO[bytes], sink), mode="w|", format=tarfile.GNU_FORMAT) as tar:
                for path, name in what.members:
                    count += add(tar, path, name, uid)
            talk.end_input()
        except TransportError:
            _require_success(talk, "unpack the files", folder)
            raise TransportError(f"the machine did not accept the files: {words() or 'closed'}") from None
        except OSError as problem:
            raise LabError(f"cannot send {problem.filename or 'a file'}: {problem}") from None
        _require_success(talk, "unpack the files", folder)
    for path, name in what.sparse:
        _send_sparse(entry, folder, path, name)
        count += 1
    return count


def _send_sparse(entry: Callable[[Sequence[str]], Sequence[str]], folder: str, path: Path, name: str) -> None:
    """Send a file without its holes, which tar in a machine may not know."""
    where = extents(path)
    if len(where) > MOST_EXTENTS:  # the holes between them are small, or many: filled
        where = [(0, -(-path.stat().st_size // BLOCK) * BLOCK)]
    with _talking(entry(render_fill(folder, name, path, where))) as (talk, words), path.open("rb") as file:
        try:
            for begin, length in where:
                file.seek(begin)
                for at in range(0, length, _BLOCK):
                    wanted = min(length - at, _BLOCK)
                    talk.send(file.read(wanted).ljust(wanted, b"\0"), Deadline.after(STALL_SECONDS))
            talk.end_input()
        except TransportError:
            raise TransportError(f"the machine did not accept {path}: {words() or 'closed'}") from None
        _require_success(talk, f"make {name}", folder)


def receive(
    argv: Sequence[str],
    target: Path,
    limit: int,
    on_progress: OnProgress,
    what: str = "",
    *,
    names: bytes = b"",
    most_data: int | None = None,
) -> Received:
    """Receive what the command ``argv`` of this host packs, as ``receive_from`` does. Raises as it does."""
    return receive_from(
        process.Conversation(argv), target, limit, on_progress, what, names=names, most_data=most_data
    )


def receive_from(
    command: EndingStream,
    target: Path,
    limit: int,
    on_progress: OnProgress,
    what: str = "",
    *,
    names: bytes = b"",
    most_data: int | None = None,
) -> Received:
    """Receive what a command packs into the folder ``target``, at most ``limit`` bytes, and close it. Where
    it is given ``names`` on its standard input, it may send several archives, one after the other.
    ``most_data`` limits the bytes that are not holes once they are here.

    Only regular files and folders are accepted, under plain relative names, with their modes and times;
    hard links only to files of the same stream. Symbolic links in the archive are skipped, and links on
    this host that lead out of ``target`` are not followed. Raises SpecError when ``what`` is not there,
    TransportError, TimedOut.
    """
    received = Received()
    with _open(command) as (talk, words):
        target.mkdir(parents=True, exist_ok=True)
        _tell(talk, names, words)
        source = _GrantedInput(talk, limit, on_progress)
        try:
            with tarfile.open(
                fileobj=cast(IO[bytes], source), mode="r|", bufsize=_BLOCK, ignore_zeros=bool(names)
            ) as tar:
                _take(tar, source, target.resolve(), received, limit, most_data)
        except tarfile.ReadError:  # what an empty stream is, too
            _require_success(talk, "pack the files", what)
            raise TransportError("the machine sent an invalid archive") from None
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as problem:
            complaints = words()
            raise TransportError(complaints or f"the machine sent an invalid archive: {problem}") from None
        _require_success(talk, "pack the files", what)
    return received


def _tell(talk: EndingStream, names: bytes, words: Callable[[], str]) -> None:
    """Send a command its names, and end its input. Raises TransportError, TimedOut."""
    try:
        for start in range(0, len(names), _BLOCK):
            talk.send(names[start : start + _BLOCK], Deadline.after(STALL_SECONDS))
    except TransportError:
        raise TransportError(f"the machine did not accept the names: {words() or 'closed'}") from None
    talk.end_input()


def _take(
    tar: tarfile.TarFile,
    source: _GrantedInput,
    target: Path,
    received: Received,
    limit: int,
    most_data: int | None,
) -> None:
    left = limit if most_data is None else most_data
    folders: list[tuple[Path, tarfile.TarInfo]] = []
    for number in range(MOST_ENTRIES + 1):
        source.grant(HEADER_BYTES)
        entry = tar.next()
        if entry is None:
            source.drain()
            for folder, about in reversed(folders):  # not before what is in them
                _finish_folder(folder, about)
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
            if where != target:  # which is the user's
                folders.append((where, entry))
        elif entry.islnk() and str(_plain(entry.linkname)) in received.files:
            _folder(where.parent, target)
            _link(target / _plain(entry.linkname), where)
            received.files.append(str(name))
        elif not entry.isreg() or entry.issparse():
            received.left_out.append(str(name))
        else:
            if not 0 <= entry.size <= limit - received.size:
                raise too_much(limit)
            source.grant(entry.size + 2 * _BLOCK)
            _folder(where.parent, target)
            left -= _write(tar, entry, where, left)
            received.files.append(str(name))
            received.size += entry.size


class TooMuch(TransportError):
    """A machine sends more than the limit."""


def too_much(limit: int) -> TooMuch:
    """Return the error for a machine that sends more than the limit."""
    return TooMuch(
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


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, where: Path, most: int) -> int:
    """Write a new file of at most so many bytes of data, holes apart; returns how many. An existing one is
    replaced, never written through."""
    written = 0
    content = tar.extractfile(entry)
    assert content is not None
    try:
        where.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(where, flags, 0o600), "wb") as file:
            while block := content.read(_BLOCK):
                for piece in _pieces(block):
                    if piece.count(0) == len(piece):
                        file.seek(len(piece), os.SEEK_CUR)  # a hole, as it may have been there
                        continue
                    written += len(piece)
                    if written > most:
                        raise too_much(most)
                    file.write(piece)
            file.truncate()
            os.fchmod(file.fileno(), entry.mode & 0o777)
        os.utime(where, (entry.mtime, entry.mtime))
    except OSError as problem:
        raise LabError(f"cannot write {where}: {problem.strerror or problem}") from None
    return written


def _pieces(block: bytes) -> Iterator[bytes]:
    """Yield a block in pieces that may be holes of a file system; a whole block without zeros, or of nothing
    else, is one."""
    if block.count(0) in (0, len(block)):
        yield block
    else:
        yield from (block[start : start + BLOCK] for start in range(0, len(block), BLOCK))


def _link(there: Path, where: Path) -> None:
    """Make a hard link to a file that was received."""
    try:
        where.unlink(missing_ok=True)
        os.link(there, where, follow_symlinks=False)
    except OSError as problem:
        raise LabError(f"cannot write {where}: {problem.strerror or problem}") from None


def _finish_folder(where: Path, about: tarfile.TarInfo) -> None:
    """Give a folder its mode and time; we can always enter it."""
    try:
        where.chmod(about.mode & 0o777 | 0o700)
        os.utime(where, (about.mtime, about.mtime))
    except (OSError, ValueError, OverflowError) as problem:
        raise LabError(f"cannot change {where}: {problem}") from None


class _Sink:
    """Output of a tar stream."""

    def __init__(self, talk: EndingStream, on_progress: OnProgress) -> None:
        self._talk, self._on_progress, self._count = talk, on_progress, 0

    def write(self, data: bytes) -> int:
        for start in range(0, len(data), _BLOCK):
            self._talk.send(data[start : start + _BLOCK], Deadline.after(STALL_SECONDS))
        self._count += len(data)
        self._on_progress(self._count)
        return len(data)


class _GrantedInput:
    """Input of a tar stream, limited to what was granted: a header may claim any length."""

    def __init__(self, talk: EndingStream, limit: int, on_progress: OnProgress) -> None:
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


def _talking(
    argv: Sequence[str],
) -> AbstractContextManager[tuple[EndingStream, Callable[[], str]]]:
    """Run a command of this host; yields as ``_open`` does."""
    return _open(process.Conversation(argv))


@contextmanager
def _open(talk: EndingStream) -> Iterator[tuple[EndingStream, Callable[[], str]]]:
    """Yield a command and a function that returns its error output once it has failed; close it."""

    def words() -> str:
        try:
            return _last(talk.finish(Deadline.after(LAST_SECONDS)))
        except TimedOut:
            return ""

    try:
        yield talk, words
    finally:
        talk.close()


def _require_success(talk: EndingStream, what: str, where: str) -> None:
    """Raise SpecError for a path on the machine that is not there or cannot be written, TransportError."""
    done = talk.finish(Deadline.after(STALL_SECONDS))
    if done.code == ABSENT:
        raise SpecError(f"{where}: {_last(done) or 'no such file or folder'} on the machine")
    if done.code == CLOSED:
        raise SpecError(
            f"{where}: permission denied on the machine",
            hint="name a file in a folder that this user may enter, or use --user root",
        )
    if done.code in (NO_FOLDER, NOT_WRITABLE):
        why = _last(done) or "permission denied"
        raise SpecError(
            f"cannot write to {where} on the machine: {why}",
            hint="name a folder this user may write to, or use --user root",
        )
    if done.code != 0:
        raise TransportError(f"the machine cannot {what}: {_last(done) or f'status {done.code}'}")


def _last(done: process.Finished) -> str:
    return "\n".join(printable(line) for line in done.tail(4).splitlines())
