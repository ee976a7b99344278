"""The copy of one home folder on this host: brought up to date as a whole, or not at all.

Beside ``MACHINE/``, the copy, lie in the seat's folder:

``.index-MACHINE.json``   what the machine said of each file when it was copied
``.making-MACHINE/``      the next copy, not complete: removed
``.ready-MACHINE/``       the next copy, complete: takes the place of the copy
``.old-MACHINE/``         the copy before, whose files that are no more are moved to ``.before``
``.before/TIME/MACHINE/`` what was deleted in the home folder since the collect before that time

Whatever moment isolab is killed at, there is a whole copy, and the next ``Mirror`` finishes what was begun.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.classes.work.chosen import Chosen
from orchestrator.classes.work.listing import Item
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError
from orchestrator.host.cache import digest, locked, sha256_file, write_atomically

BEFORE = ".before"
"""The folder of what was deleted, in a seat's folder."""
_RACY_SECONDS = 2
"""A file that changed within so many seconds before it was listed may have changed again since, unseen: the
times are whole seconds."""

_ALL = 2**63

Fetch = Callable[[Sequence[Item], Path], set[str]]
"""Copies files into a folder, and returns the paths of those that came."""


@dataclass(frozen=True)
class Kept:
    """What is known of one file of the copy: what the machine said of it, and ``came``, when its present
    content first came, in ISO 8601. ``sure``: it is copied again only if the machine says something else."""

    size: int
    modified: int
    changed: int
    inode: int
    came: str
    sure: bool

    def is_of(self, item: Item) -> bool:
        """Whether the machine still says the same, and could not have missed a change."""
        now = (item.size, item.modified, item.changed, item.inode)
        return self.sure and now == (self.size, self.modified, self.changed, self.inode)


@dataclass(frozen=True)
class Renewed:
    """How a copy changed: ``files`` in it, how many of them ``fresh`` and their ``size`` in bytes, how many
    ``gone`` to ``.before``, and which were ``lost`` on the way: they went away while they were copied. Of
    those that are ``stale`` instead, the copy has what it had before."""

    files: int = 0
    fresh: int = 0
    size: int = 0
    gone: int = 0
    lost: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


def mirror_lock(folder: Path, deadline: Deadline) -> AbstractContextManager[None]:
    """Return the lock of a seat's folder of copies. Raises TimedOut, Interrupted."""
    return locked("collect", digest(str(folder.resolve())), deadline)


class Mirror:
    """The copy of a machine's home folder in a seat's ``folder``. Whoever recovers, renews or reads it holds
    ``mirror_lock``."""

    def __init__(self, folder: Path, machine: str) -> None:
        self.folder, self.copy = folder, folder / machine
        self._machine = machine
        self._index = folder / f".index-{machine}.json"
        self._making, self._ready, self._old = (
            folder / f".{what}-{machine}" for what in ("making", "ready", "old")
        )

    def recover(self) -> None:
        """Finish what an isolab that was killed had begun. Raises LabError if this host cannot."""
        with _told(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.rmtree(self._making, ignore_errors=True)
            if self._ready.exists():
                self._swap(most=_ALL)
            elif self._old.exists():
                self._set_aside(most=_ALL)

    @property
    def since(self) -> datetime | None:
        """When the home folder was last seen to be as the copy is; None if never."""
        try:
            return datetime.fromtimestamp(self._index.stat().st_mtime, UTC)
        except OSError:
            return None

    def known(self) -> dict[str, Kept]:
        """Return what is known of the files of the copy, by path; of a damaged index nothing."""
        try:
            raw = json.loads(self._index.read_text(encoding="ascii"))
            return {path: Kept(**about) for path, about in raw.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def renew(self, wanted: Chosen, clock: int, fetch: Fetch, most: int, *, complete: bool = True) -> Renewed:
        """Make the copy what was ``wanted``; ``clock`` is the machine's at the time. Only what is not here
        yet is fetched. ``most`` bytes of what was deleted are kept, the oldest go first. If the list was not
        ``complete``, what is not in it stays.

        Raises LabError, and what ``fetch`` raises; then the copy is what it was.
        """
        self.recover()
        known = self.known()
        same = {one.path for one in wanted.files if self._has(one, known)}
        missing = [one for one in wanted.files if one.path not in same]
        stays = [] if complete else sorted({*known} - {one.path for one in wanted.files})
        unchanged = not missing and same == {*known} and self._folders() == {*wanted.folders}
        if unchanged and self._index.exists():
            os.utime(self._index)
            return Renewed(len(same))
        with _told(self.folder):
            self._making.mkdir(mode=0o700)
            for path in wanted.folders:
                (self._making / path).mkdir(parents=True, exist_ok=True)
        came = fetch(missing, self._making) if missing else set()
        with _told(self.folder):
            lost = [one.path for one in missing if one.path not in came]
            linked = {path for path in (*same, *stays, *lost) if self._link(path)}
            old = {path: known[path].came for path in came if path in known and self._is_as_before(path)}
            index = dict(_indexed(wanted.files, came, linked, known, clock, old))
            index |= {path: replace(known[path], sure=False) for path in stays if path in linked}
            self._making.rename(self._ready)
            gone = self._swap(most)
            self._write(index)
        fresh = [one for one in missing if one.path in came and one.path not in old]
        left = tuple(path for path in lost if path not in linked)
        stale = tuple(path for path in lost if path in linked)
        return Renewed(len(index), len(fresh), sum(one.stored for one in fresh), gone, left, stale)

    def _has(self, item: Item, known: Mapping[str, Kept]) -> bool:
        """Whether the copy has this file as it is in the machine, and nobody has removed it here."""
        if item.path not in known or not known[item.path].is_of(item):
            return False
        try:
            about = (self.copy / item.path).lstat()
        except OSError:
            return False
        return stat.S_ISREG(about.st_mode) and about.st_size == item.size

    def _is_as_before(self, path: str) -> bool:
        """Whether a file that was fetched once more, to be sure, has the content it had."""
        before = self.copy / path
        plain = before.is_file() and not before.is_symlink()
        return plain and sha256_file(before) == sha256_file(self._making / path)

    def _folders(self) -> set[str]:
        return {str(path.relative_to(self.copy)) for path in _below(self.copy) if path.is_dir()}

    def _link(self, path: str) -> bool:
        """Take a file of the copy over into the next one."""
        source, target = self.copy / path, self._making / path
        if source.is_symlink() or not source.is_file():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target, follow_symlinks=False)
        return True

    def _swap(self, most: int) -> int:
        """Let the complete next copy take the place of the copy; returns how many files it has no more."""
        if self.copy.exists() and not self._old.exists():
            self.copy.rename(self._old)
        self._ready.rename(self.copy)
        return self._set_aside(most)

    def _set_aside(self, most: int) -> int:
        gone = [
            path.relative_to(self._old)
            for path in _below(self._old)
            if path.is_file() and not os.path.lexists(self.copy / path.relative_to(self._old))
        ]
        when = self.folder / BEFORE / f"{datetime.now(UTC):%Y%m%d-%H%M%SZ}" / self._machine
        for inner in gone:
            (when / inner).parent.mkdir(parents=True, exist_ok=True)
            (self._old / inner).rename(when / inner)
        shutil.rmtree(self._old, ignore_errors=True)
        _prune(self.folder / BEFORE, most)
        return len(gone)

    def _write(self, index: Mapping[str, Kept]) -> None:
        text = json.dumps({path: asdict(about) for path, about in index.items()}, indent=0)
        write_atomically(self._index, text.encode("ascii"))


def _indexed(
    files: Sequence[Item],
    came: set[str],
    linked: set[str],
    known: Mapping[str, Kept],
    clock: int,
    old: Mapping[str, str],
) -> Iterator[tuple[str, Kept]]:
    """Yield what is to be known of each file of the next copy; ``old`` has when the content of a file that
    was fetched once more first came."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for one in files:
        before = known.get(one.path)
        if one.path in came:
            sure = max(one.changed, one.modified) < clock - _RACY_SECONDS
            yield one.path, Kept(one.size, one.modified, one.changed, one.inode, old.get(one.path, now), sure)
        elif one.path in linked and before is not None:
            yield one.path, before


def _below(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder of copies; it has plain files and folders only."""
    for above, folders, files in os.walk(folder):
        yield from (Path(above) / name for name in (*folders, *files))


def _prune(before: Path, most: int) -> None:
    """Remove the oldest of what was deleted, until no more than ``most`` bytes are left."""
    times = sorted(before.iterdir()) if before.is_dir() else []
    sizes = {time: sum(path.lstat().st_blocks * 512 for path in _below(time)) for time in times}
    while times and sum(sizes[time] for time in times) > most:
        shutil.rmtree(times.pop(0), ignore_errors=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn an OSError of this host into a LabError that says where."""
    try:
        yield
    except OSError as problem:
        raise LabError(
            f"cannot write the copy in {folder}: {problem.strerror or problem}",
            hint="free space, or make the folder yours; the copy before is still there",
        ) from None
