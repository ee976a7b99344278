"""What a layout is, what it is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Protocol

from orchestrator.submissions import archive
from orchestrator.submissions.entries import Entry, shown_name
from orchestrator.submissions.roster import Roster

Reads = Callable[[Collection[str]], Mapping[str, bytes]]
_MOST_NAMED = 3


@dataclass(frozen=True)
class Claim:
    """Who handed in, as the platform says.

    Any of an ``id`` that the roster may have, a ``name`` of a person or team, an ``email``, a user name at
    GitHub, and the platform's own ``number``. ``squeezed``: the name has lost its spaces. ``unmatched`` is
    the id of who is not on the roster.
    """

    unmatched: str
    id: str = ""
    name: str = ""
    email: str = ""
    github: str = ""
    number: str = ""
    squeezed: bool = False


@dataclass(frozen=True)
class FoundSubmission:
    """One submission of a layout: who handed in, and what.

    ``files`` maps paths in the listing to those in the submission. ``nothing``: there is a place for it, and
    nothing in it. The other fields are Submission's.
    """

    claims: tuple[Claim, ...]
    source: str
    files: Mapping[str, str] = field(default_factory=dict)
    submitted: datetime | None = None
    late: bool = False
    platform_id: str = ""
    remarks: tuple[str, ...] = ()
    nothing: bool = False


@dataclass(frozen=True)
class Split:
    """What a layout found, and lines for the lecturer."""

    findings: tuple[FoundSubmission, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """The paths in a folder or archive, without what nobody handed in.

    ``base`` is "" or the folder in it that the paths are relative to, with a slash. ``reads`` returns the
    contents of few small files by whole path. ``repositories`` are the folders that git has put its own into.
    """

    entries: tuple[Entry, ...]
    reads: Reads
    base: str = ""
    repositories: frozenset[str] = frozenset()

    @cached_property
    def tops(self) -> Mapping[str, bool]:
        """Names at the top, sorted, and whether each is a folder."""
        found: dict[str, bool] = {}
        for entry in self.entries:
            top, slash, _ = entry.path.partition("/")
            if top:
                found[top] = found.get(top, False) or bool(slash) or entry.folder
        return dict(sorted(found.items()))

    @cached_property
    def _grouped(self) -> Mapping[str, list[str]]:
        grouped: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.path and not (entry.folder and not entry.refused):
                grouped.setdefault(entry.path.partition("/")[0], []).append(entry.path)
        return grouped

    def under(self, top: str, into: str = "") -> dict[str, str]:
        """Return the files under a name at the top by their paths, with those in a submission whose folder
        ``into`` they go to. A file at the top keeps its name."""
        start = len(top) + 1
        return {path: f"{into}{path[start:] or path}" for path in self._grouped.get(top, [])}

    def read(self, paths: Collection[str]) -> Mapping[str, bytes]:
        """Return the contents of small files, of those that are there and can be read."""
        found = self.reads([f"{self.base}{path}" for path in paths])
        return {path.removeprefix(self.base): data for path, data in found.items()}

    def inside(self, top: str) -> Listing:
        """Return the listing of a folder at the top."""
        start = len(top) + 1
        kept = [entry for entry in self.entries if entry.path.startswith(f"{top}/")]
        moved = tuple(Entry(one.path[start:], one.folder, one.refused, one.shown) for one in kept)
        repositories = (one[start:] for one in self.repositories if one.startswith(f"{top}/"))
        return Listing(moved, self.reads, f"{self.base}{top}/", frozenset(repositories))


class Layout(Protocol):
    """A form of handing out submissions. ``key`` names it in options, ``title`` on the screen; ``shape`` says
    how it looks."""

    key: str
    title: str
    shape: str

    def fits(self, listing: Listing, roster: Roster | None, *, chosen: bool = False) -> bool:
        """Whether a listing has this shape, by its names alone. Less will do where somebody has ``chosen``
        this layout."""
        ...

    def split(self, listing: Listing, roster: Roster | None) -> Split:
        """Divide a listing into submissions. Raises SpecError if it does not have this shape after all."""
        ...


def mostly(names: Sequence[str], fitting: Sequence[str], chosen: bool) -> bool:
    """Whether names at the top have a layout's shape: some do, and unless it was chosen, at least half."""
    return bool(fitting) and (chosen or 2 * len(fitting) >= len(names))


def unused(names: Collection[str], why: str) -> tuple[str, ...]:
    """Return the note on names at the top that belong to no submission, if there are any."""
    if not names:
        return ()
    number = "1 entry" if len(names) == 1 else f"{len(names)} entries"
    return (f"{number} left out, {why}: {some(names)}",)


def some(names: Collection[str]) -> str:
    """Return the first few names, printable, and how many there are beyond."""
    first = ", ".join(shown_name(name) for name in sorted(names)[:_MOST_NAMED])
    return first + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")


def is_archive(name: str) -> bool:
    """Whether a name is one of an archive."""
    return bool(archive.stem(name))
