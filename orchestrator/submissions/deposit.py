"""One submission's folder on this host, filled within limits; archives in it are unpacked.

Whatever cannot be taken becomes a remark for whoever handed it in, and the rest goes on.
"""

from __future__ import annotations

import errno
import lzma
import os
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from orchestrator.formatting import size_words
from orchestrator.submissions import archive
from orchestrator.submissions.entries import Entry, EntrySource, Unreadable, shown_name
from orchestrator.submissions.limits import Budget, Exceeded
from orchestrator.submissions.tar_archive import DAMAGED

Opens = Callable[[], AbstractContextManager[IO[bytes]]]
UNREADABLE = (*DAMAGED, zipfile.BadZipFile, lzma.LZMAError, NotImplementedError, RuntimeError)
"""What reading a file of an archive raises; RuntimeError: it is encrypted, NotImplementedError: its
compression is not known."""
_OF_THE_HOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
_BLOCK = 2**16
_MOST_REMARKS = 20


@dataclass
class Deposit:
    """The folder of a submission, which this creates, and what there is to remark about it."""

    folder: Path
    budget: Budget
    files: dict[str, str] = field(default_factory=dict)
    """Paths in the folder, and the archive each came from; "" of one handed in as it is."""
    _folders: set[str] = field(default_factory=set)
    _remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()

    @property
    def remarks(self) -> tuple[str, ...]:
        """The first of them, and how many there are beyond."""
        kept = tuple(dict.fromkeys(self._remarks))
        more = len(kept) - _MOST_REMARKS
        return (*kept[:_MOST_REMARKS], f"and {more} more like these") if more > 0 else kept

    def remark(self, words: str) -> None:
        """Add a remark, unless there is the same already."""
        self._remarks.append(words)

    def refuse(self, entry: Entry, origin: str = "") -> None:
        """Remark that an entry was refused."""
        where = f"{shown_name(origin)}: " if origin else ""
        self.remark(f"{where}{entry.shown} was not taken: {entry.refused}")

    def take(self, path: str, opens: Opens, origin: str = "", ratio: Ratio | None = None) -> None:
        """Write a file to ``path``, which is plain. A remark says why it was not taken.

        Raises Exceeded when nothing more can be taken; OSError when this host is at fault; Unreadable when
        what cannot be read did not come from an archive of the student's, ``origin``.
        """
        shown = shown_name(path)
        if clash := self._clash(path, origin):
            self.remark(f"{shown} was not taken{_from(origin)}: {clash}")
            return
        again = path in self.files
        try:
            self._write(path, opens, ratio)
        except Exceeded as problem:
            self.files.pop(path, None)
            if problem.whole:
                raise
            self.remark(f"{shown} was not taken{_from(origin)}: it is {problem}")
        except UNREADABLE as problem:
            self.files.pop(path, None)
            if getattr(problem, "errno", None) in _OF_THE_HOST:
                raise
            if not origin and not _too_long(problem):
                raise Unreadable(f"{shown_name(path)} in it cannot be read ({_words(problem)})") from None
            self.remark(f"{shown} was not taken{_from(origin)}: it cannot be read ({_words(problem)})")
        else:
            self.files[path] = origin
            if again:
                self.remark(f"{shown} is there twice{_from(origin)}: the last one was taken")

    def unpack(self) -> None:
        """Unpack all archives in the folder, and those in them."""
        pending = [(path, 1) for path in sorted(self.files) if archive.stem(path.rpartition("/")[2])]
        limits, count = self.budget.limits, 0
        while pending:
            path, depth = pending.pop(0)
            before = set(self.files)
            count += 1
            if depth > limits.depth or count > limits.archives:
                deep = f"archives in archives, more than {limits.depth} deep"
                why = deep if depth > limits.depth else f"more than {limits.archives} archives"
                self.remark(f"{shown_name(path)} was not unpacked: {why}")
                continue
            self._unpack_one(path)
            fresh = sorted(set(self.files) - before)
            pending += [(one, depth + 1) for one in fresh if archive.stem(one.rpartition("/")[2])]

    def _unpack_one(self, path: str) -> None:
        shown = shown_name(path)
        before = len(self.files)
        try:
            with archive.source(self.folder / path, self.budget.limits) as opened:
                self._take_all(opened, path, self._place(path))
                damage = opened.damage
        except Unreadable as problem:
            self.remark(f"{shown} was not unpacked: {problem}")
        except Exceeded as problem:
            self.remark(f"{shown} was not unpacked to its end: {problem}")
        except UNREADABLE as problem:
            self.remark(f"{shown} was not unpacked to its end: it is damaged ({_words(problem)})")
        else:
            number = len(self.files) - before
            if damage:
                self.remark(f"{shown} was not unpacked to its end: {damage}")
                return
            self.remark(f"unpacked {shown}: {number} {'file' if number == 1 else 'files'}")

    def _take_all(self, opened: EntrySource, path: str, place: str) -> None:
        ratio = Ratio(self.budget, opened.size or 0)
        for entry in opened.entries:
            if entry.refused and not entry.ignored:
                self.refuse(entry, path)
        for entry, opens in opened.files():
            if entry.path and not entry.ignored:
                self.take(f"{place}{entry.path}", opens, path, ratio)

    def _place(self, path: str) -> str:
        """Return where an archive is unpacked: beside it if it is all there is, else a folder of its name."""
        above = path.rpartition("/")[0]
        inside = f"{above}/" if above else ""
        if sum(other.startswith(inside) for other in self.files) == 1:
            return inside
        name = f"{inside}{archive.stem(path.rpartition('/')[2])}"
        return f"{name}/" if name not in self.files else f"{path} unpacked/"

    def _clash(self, path: str, origin: str) -> str:
        if path in self._folders:
            return "a folder of this name is there"
        if self.files.get(path, origin) != origin:
            return "another file of this name is there"
        above = next((str(one) for one in PurePosixPath(path).parents if str(one) in self.files), "")
        return f"{shown_name(above)} is a file" if above else ""

    def _write(self, path: str, opens: Opens, ratio: Ratio | None) -> None:
        target = self.folder / path
        if path in self.files:
            self.budget.give_back(target.stat().st_size)
            target.unlink()
        else:
            self.budget.count_entry()
            self._make_folders(path)
        counted = 0
        try:
            with opens() as data, _created(target) as file:
                while block := data.read(_BLOCK):
                    if counted + len(block) > self.budget.limits.file:
                        raise Exceeded(f"larger than {size_words(self.budget.limits.file)}", whole=False)
                    self.budget.count_bytes(len(block))
                    counted += len(block)
                    if ratio:
                        ratio.count(len(block))
                    file.write(block)
        except BaseException:
            target.unlink(missing_ok=True)
            self.budget.give_back(counted)
            raise

    def _make_folders(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for number in range(1, len(parts) + 1):
            folder = "/".join(parts[:number])
            if folder not in self._folders:
                self.budget.count_entry()
                (self.folder / folder).mkdir()
                self._folders.add(folder)


@dataclass
class Ratio:
    """How much came out of one archive, which is ``size`` bytes itself."""

    budget: Budget
    size: int
    seen: int = 0

    def count(self, number: int) -> None:
        """Count bytes that came out. Raises Exceeded."""
        self.seen += number
        limits = self.budget.limits
        if self.seen > limits.ratio_from and self.seen > limits.ratio * self.size:
            raise Exceeded(f"more than {limits.ratio} times its own size")


def _created(path: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _from(origin: str) -> str:
    return f" from {shown_name(origin)}" if origin else ""


def _too_long(problem: BaseException) -> bool:
    """Whether the student chose names that are too long for this host, all together."""
    return isinstance(problem, OSError) and problem.errno == errno.ENAMETOOLONG


def _words(problem: BaseException) -> str:
    said = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return shown_name(said or type(problem).__name__)
