"""What the web application needs done: machines, terminals, files, and what is behind its buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from orchestrator.classes.model import Seat
from orchestrator.deadline import Cancellation


@dataclass(frozen=True)
class MachineView:
    """A machine of a seat: ``state`` is a word for people, ``up`` whether one can log in."""

    name: str
    state: str
    up: bool


@dataclass(frozen=True)
class ExerciseView:
    """An exercise of a lab as a student sees it. ``name`` is the lab's, without ``./``."""

    name: str
    title: str


@dataclass(frozen=True)
class LabView:
    """A lab that is open. ``due`` is None without a date."""

    name: str
    title: str
    exercises: tuple[ExerciseView, ...]
    due: datetime | None = None


@dataclass(frozen=True)
class Line:
    """One line of a result. ``good`` is None for what is neither right nor wrong."""

    text: str
    good: bool | None = None


@dataclass(frozen=True)
class Outcome:
    """What a button did, in words: ``good`` is None where that is no question."""

    title: str
    good: bool | None = None
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class FileView:
    """A file or folder in a home folder. ``size`` is in bytes, 0 for a folder."""

    name: str
    folder: bool
    size: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a seat is in a lab: exercises ``passed`` of ``total``, and when it was last handed in."""

    lab: str
    passed: int
    total: int
    handed_in: datetime | None = None


@dataclass(frozen=True)
class BoardRow:
    """A seat on the board. ``present`` says where somebody of it is in ("browser", "ssh", or both);
    ``moved`` is when something last happened there."""

    seat: str
    label: str
    names: str
    machines: tuple[MachineView, ...]
    present: str
    progress: tuple[Progress, ...]
    moved: datetime | None
    last: str = ""


@dataclass(frozen=True)
class Message:
    """What was said to a seat, by the lecturer or by the class itself (such as how much time is left)."""

    seat: str
    text: str
    time: datetime


class Pty(Protocol):
    """A program on a terminal of this host. ``descriptor`` is the other end, not blocking."""

    @property
    def descriptor(self) -> int: ...

    def resize(self, columns: int, rows: int) -> None: ...

    def close(self) -> None:
        """End the program. May be repeated."""


@dataclass(frozen=True)
class Wired:
    """What is behind buttons that other parts of the class do; a button without is not shown.

    Each may take minutes and is called in a thread. All raise LabError, which is shown to whoever asked.
    ``check``: seat, lab, exercise. ``hand_in``: seat, lab, exercises (none: all of the lab). ``reset``: seat,
    machine. ``extend``: seats, seconds. ``ends``: when the machines of each seat are taken down, by its
    name; no entry for never. ``add_key``: seat, a line of authorized_keys; returns what to tell.
    ``message``: seats, text; shows it to those who are in by SSH, and records it in the class's log.
    """

    check: Callable[[Seat, str, str, Cancellation], Outcome] | None = None
    hand_in: Callable[[Seat, str, Sequence[str]], Outcome] | None = None
    reset: Callable[[Seat, str], Outcome] | None = None
    extend: Callable[[Sequence[Seat], float], object] | None = None
    ends: Callable[[], Mapping[str, datetime]] | None = None
    add_key: Callable[[Seat, str], str] | None = None
    message: Callable[[Sequence[Seat], str], object] | None = None


class Actions(Protocol):
    """All that the application does outside itself. Every call blocks, and runs in a thread; all raise
    LabError with words for whoever asked."""

    @property
    def wired(self) -> Wired: ...

    def machines(self, seat: Seat) -> Sequence[MachineView]:
        """Return the machines of a seat, the one where people land first."""

    def labs(self) -> Sequence[LabView]:
        """Return the labs that are open now, in the class's order."""

    def readme(self, seat: Seat, lab: str, exercise: str) -> str:
        """Return an exercise's README as this seat is to read it, Markdown; "" without one. Raises
        SpecError for a lab that is not open or an exercise that is not in it."""

    def open_terminal(self, seat: Seat, machine: str, columns: int, rows: int) -> Pty:
        """Log in to a machine as the student."""

    def files(self, seat: Seat, machine: str, folder: str) -> Sequence[FileView]:
        """List a folder below the home folder; "" is that itself."""

    def upload(self, seat: Seat, machine: str, folder: str, name: str, content: Path) -> None:
        """Copy a file of this host into a folder below the home folder."""

    def download(self, seat: Seat, machine: str, path: str, into: Path) -> Path:
        """Copy a file from below the home folder into a folder of this host; returns where it is there. A
        folder becomes a ZIP archive."""

    def push(self, seats: Sequence[Seat], name: str, content: Path) -> Mapping[str, str]:
        """Copy a file into these seats' home folders; returns why by the label of each where that failed."""

    def board(self, in_browser: Mapping[str, datetime | None]) -> Sequence[BoardRow]:
        """Return a row for each seat, in the class's order. ``in_browser`` are those that somebody has open,
        with the time when something was last typed there."""

    def came(self, seat: Seat, here: bool) -> None:
        """Record that somebody came to a seat in a browser, or that the last one left."""

    def settle(self) -> None:
        """Record that everybody whom a server saw come and not leave, because it was killed, is not here."""

    def messages(self) -> Sequence[Message]:
        """Return what was said to all seats, oldest first."""

    def ends(self) -> Mapping[str, datetime]:
        """Return when the machines of each seat are taken down, by its name; no entry for never."""

    def tell(self, seats: Sequence[Seat], text: str) -> None:
        """Record a lecturer's message, so that ``messages`` returns it, and show it where else these seats
        are in."""
