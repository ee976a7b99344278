"""What the web server does with a class: on its machines, in its log, and through what it is wired to."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from orchestrator.classes.activity import BROWSER, Activity, Event, Kind
from orchestrator.classes.machines import standing, there
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.paths import DATABASE, class_state
from orchestrator.classes.web import machines
from orchestrator.classes.web.board import board_rows
from orchestrator.classes.web.plainly import NotNow
from orchestrator.classes.web.ports import (
    BoardRow,
    ExerciseView,
    FileView,
    LabView,
    MachineView,
    Message,
    Pty,
    Wired,
)
from orchestrator.errors import LabError, SpecError
from orchestrator.exercises.parameters import Values, example, readme
from orchestrator.formatting import bounded, printable
from orchestrator.host import process_table
from orchestrator.labfile.load import LoadedExercise
from orchestrator.sessions.lookup import SessionMachine

NOTHING_WIRED = Wired()

FRESH_SECONDS = 3.0
"""How long what was seen of the machines counts as new."""
SETTLED_NANOSECONDS = 10**9
"""How long ago a file was changed for its time of change to say so."""
PUSHES = 8
"""Machines that a file goes to side by side."""


@dataclass(frozen=True)
class ClassActions:
    """The actions of a class on this host. ``values`` returns a seat's values of an exercise's parameters."""

    found: LoadedClass
    wired: Wired = NOTHING_WIRED
    values: Callable[[Seat, LoadedExercise], Values] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read: list[tuple[int, Sequence[Event]]] = field(default_factory=list)
    _seen: list[tuple[float, Mapping[str, tuple[MachineView, ...]]]] = field(default_factory=list)

    def machines(self, seat: Seat) -> Sequence[MachineView]:
        there = self._machines().get(seat.name, ())
        by_name = {view.name: view for view in there}
        return [
            by_name.get(name, MachineView(name, "not up", up=False))
            for name in self.found.machines.lab.machines
        ]

    def labs(self) -> Sequence[LabView]:
        return [
            LabView(
                lab.name,
                printable(lab.lab.lab.title),
                tuple(ExerciseView(one.name.removeprefix("./"), one.spec.title) for one in lab.lab.exercises),
                lab.spec.due,
            )
            for lab in self.found.open_labs()
        ]

    def readme(self, seat: Seat, lab: str, exercise: str) -> str:
        one = self._exercise(lab, exercise)
        try:
            return readme(one, self.values(seat, one) if self.values else example(one))
        except OSError as problem:
            raise NotNow(f"cannot read the README of {exercise}: {problem.strerror}") from None

    def open_terminal(self, seat: Seat, machine: str, columns: int, rows: int) -> Pty:
        return machines.log_in(machines.machine_of(self.found, seat, machine), columns, rows)

    def files(self, seat: Seat, machine: str, folder: str) -> Sequence[FileView]:
        return machines.list_files(machines.machine_of(self.found, seat, machine), folder)

    def upload(self, seat: Seat, machine: str, folder: str, name: str, content: Path) -> None:
        machines.send_file(machines.machine_of(self.found, seat, machine), folder, name, content)

    def download(self, seat: Seat, machine: str, path: str, into: Path) -> Path:
        return machines.fetch_file(machines.machine_of(self.found, seat, machine), path, into)

    def push(self, seats: Sequence[Seat], name: str, content: Path) -> Mapping[str, str]:
        """Copy a file into the home folder on each of these seats' first machines, side by side; returns why
        by the labels of those where that failed."""
        first = next(iter(self.found.machines.lab.machines))

        def one(seat: Seat) -> str:
            try:
                self.upload(seat, first, "", name, content)
            except LabError as problem:
                return problem.message
            return ""

        with ThreadPoolExecutor(PUSHES) as pool:
            said = list(pool.map(one, seats))
        return {seat.label: why for seat, why in zip(seats, said, strict=True) if why}

    def board(self, in_browser: Mapping[str, datetime | None]) -> Sequence[BoardRow]:
        events = self._events()
        return board_rows(
            self.found, [lab.name for lab in self.found.open_labs()], events, self._machines(), in_browser
        )

    def came(self, seat: Seat, here: bool) -> None:
        Activity(self.found).add(Event(seat.name, Kind.CAME if here else Kind.LEFT, detail=BROWSER))

    def settle(self) -> None:
        log = Activity(self.found)
        here: Counter[str] = Counter()
        for event in log.events([Kind.CAME, Kind.LEFT]):
            if event.detail == BROWSER:
                here[event.seat] += 1 if event.kind is Kind.CAME else -1
        for seat, count in here.items():
            for _ in range(count):
                log.add(Event(seat, Kind.LEFT, detail=BROWSER))

    def messages(self) -> Sequence[Message]:
        events = [one for one in self._events() if one.kind is Kind.MESSAGE]
        return [Message(one.seat, one.detail, one.time) for one in events if one.time is not None]

    def ends(self) -> Mapping[str, datetime]:
        if self.wired.ends is not None:
            return self.wired.ends()
        return {seat.name: ends for seat in self.found.seats if (ends := self.found.spec.end) is not None}

    def tell(self, seats: Sequence[Seat], text: str) -> None:
        if self.wired.message is not None:
            self.wired.message(seats, text)
            return
        log = Activity(self.found)
        for seat in seats:
            log.add(Event(seat.name, Kind.MESSAGE, detail=bounded(printable(text), 400)))

    def _events(self) -> Sequence[Event]:
        """Return the class's log; read anew if its file has changed, for a term's is long."""
        file = class_state(self.found) / DATABASE
        changed = file.stat().st_mtime_ns if file.exists() else 0
        with self._lock:
            if not self._read or self._read[0][0] != changed:
                events = Activity(self.found).events()
                if time.time_ns() - changed < SETTLED_NANOSECONDS:
                    return events  # the next change may have the same time
                self._read[:] = [(changed, events)]
            return self._read[0][1]

    def _exercise(self, lab: str, exercise: str) -> LoadedExercise:
        for one in self.found.open_labs():
            if one.name == lab:
                for known in one.lab.exercises:
                    if known.name.removeprefix("./") == exercise:
                        return known
        raise SpecError(f"no open lab {printable(lab)[:40]!r} with {printable(exercise)[:60]!r}")

    def _machines(self) -> Mapping[str, tuple[MachineView, ...]]:
        """Return the machines by seat; looked at anew if it was not done just now."""
        with self._lock:
            if not self._seen or self._seen[0][0] < time.monotonic() - FRESH_SECONDS:
                self._seen[:] = [(time.monotonic(), _machines_by_seat(self.found))]
            return self._seen[0][1]


def _machines_by_seat(found: LoadedClass) -> Mapping[str, tuple[MachineView, ...]]:
    if found.hosts is not None:
        return _on_hosts(found)
    alive = _live_tags()
    views: defaultdict[str, list[MachineView]] = defaultdict(list)
    for place, machine in there(found).items():
        views[place.seat].append(_view(machine, alive))
    return {seat: tuple(those) for seat, those in views.items()}


def _on_hosts(found: LoadedClass) -> Mapping[str, tuple[MachineView, ...]]:
    views: defaultdict[str, list[MachineView]] = defaultdict(list)
    for place, one in standing(found).items():
        alive = {one.machine.handle.tag} if one.alive else set()
        views[place.seat].append(_view(one.machine, alive))
    return {seat: tuple(those) for seat, those in views.items()}


def _view(machine: SessionMachine, alive: set[str]) -> MachineView:
    state = "coming up" if machine.coming else "up" if machine.handle.tag in alive else "dead"
    return MachineView(machine.machine, state, up=state == "up")


def _live_tags() -> set[str]:
    """Return the names that live processes have been given (``-name``), guests among them: all in one look,
    for a class has hundreds."""
    started = process_table.read(process_table.arguments)
    return {words[words.index("-name") + 1] for _, words in started if "-name" in words[:-1]}
