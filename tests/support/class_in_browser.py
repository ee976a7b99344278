"""A class for the tests of its web server: a roster that was made up, and what is behind its pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ports import free_port

from orchestrator.classes.activity import Activity
from orchestrator.classes.load import load_class
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.web.board import board_rows
from orchestrator.classes.web.ports import (
    BoardRow,
    ExerciseView,
    FileView,
    LabView,
    Line,
    MachineView,
    Message,
    Outcome,
    Pty,
    Wired,
)
from orchestrator.deadline import Cancellation
from orchestrator.errors import SpecError
from orchestrator.host.process import OnTerminal

T = TypeVar("T")
NAMES = ("Ada Lovelace", "Alan Turing", "Grace Hopper", "Edsger Dijkstra", "Barbara Liskov", "Zoë Ångström")


def write_class(folder: Path, students: int, lab: str = "workshop", **more: object) -> Path:
    """Write a class file with so many students ``s1``, ``s2`` …; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f"s{number},{NAMES[number % len(NAMES)]},s{number}@example.org," for number in range(1, students + 1)
    ]
    (folder / "roster.csv").write_text("\n".join(["id,name,email,group", *rows, ""]), encoding="utf-8")
    about = {
        "class": "course",
        "title": "Systems Security 2027",
        "machines": {"desk": {"driver": "qemu"}},
        "labs": [{"lab": lab, "due": "2099-03-08T17:00+08:00"}],
        "access": {"web": f"127.0.0.1:{free_port()}", "listen": f"127.0.0.1:{free_port()}"},
        **more,
    }
    (folder / "class.yaml").write_text(json.dumps(about))
    return folder / "class.yaml"


def made_class(folder: Path, students: int, lab: str = "workshop", **more: object) -> LoadedClass:
    """A class with so many students."""
    return load_class(write_class(folder, students, lab, **more))


@dataclass
class MadeUp:
    """Actions without machines: terminals run programs of this host, files are in memory, and what was asked
    for is in ``done``."""

    found: LoadedClass
    shell: Sequence[str] = ("/bin/cat",)
    done: list[tuple[object, ...]] = field(default_factory=list)
    uploaded: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    told: list[Message] = field(default_factory=list)
    until: dict[str, datetime] = field(default_factory=dict)
    said: str = "# What to do\n\nWrite a program.\n"
    wired: Wired = field(init=False)

    def __post_init__(self) -> None:
        self.wired = Wired(
            check=self._check,
            hand_in=self._hand_in,
            reset=self._reset,
            extend=self._extend,
            add_key=lambda seat, line: self._note("added", "key", seat.name, line),
        )

    def machines(self, seat: Seat) -> Sequence[MachineView]:
        return [MachineView(name, "up", up=True) for name in self.found.machines.lab.machines]

    def labs(self) -> Sequence[LabView]:
        return [
            LabView(
                lab.name,
                lab.lab.lab.title,
                tuple(ExerciseView(one.name.removeprefix("./"), one.spec.title) for one in lab.lab.exercises),
                lab.spec.due,
            )
            for lab in self.found.labs
        ]

    def readme(self, seat: Seat, lab: str, exercise: str) -> str:
        return self.said

    def open_terminal(self, seat: Seat, machine: str, columns: int, rows: int) -> Pty:
        self._note(None, "terminal", seat.name, machine)
        return OnTerminal(self.shell, columns, rows)

    def files(self, seat: Seat, machine: str, folder: str) -> Sequence[FileView]:
        return [FileView("workshop", folder=True), FileView("notes.txt", folder=False, size=12)]

    def upload(self, seat: Seat, machine: str, folder: str, name: str, content: Path) -> None:
        self.uploaded[seat.name, folder, name] = content.read_bytes()

    def download(self, seat: Seat, machine: str, path: str, into: Path) -> Path:
        if path == "gone":
            raise SpecError("gone: no such file or folder on the machine")
        (into / "fetched").write_bytes(f"{seat.name}'s {path}".encode())
        return into / "fetched"

    def push(self, seats: Sequence[Seat], name: str, content: Path) -> Mapping[str, str]:
        for seat in seats:
            self.upload(seat, "desk", "", name, content)
        return {}

    def board(self, in_browser: Mapping[str, datetime | None]) -> Sequence[BoardRow]:
        there = {seat.name: self.machines(seat) for seat in self.found.seats}
        labs = [lab.name for lab in self.found.labs]
        return board_rows(self.found, labs, Activity(self.found).events(), there, in_browser)

    def came(self, seat: Seat, here: bool) -> None:
        self._note(None, "came" if here else "left", seat.name)

    def tell(self, seats: Sequence[Seat], text: str) -> None:
        self._note(None, "tell", tuple(seat.name for seat in seats), text)
        self.told += [Message(seat.name, text, datetime.now(UTC)) for seat in seats]

    def settle(self) -> None:
        pass

    def messages(self) -> Sequence[Message]:
        return self.told

    def ends(self) -> Mapping[str, datetime]:
        return self.until

    def _extend(self, seats: Sequence[Seat], seconds: float) -> None:
        self._note(None, "extend", tuple(seat.name for seat in seats), seconds)
        for seat in seats:
            self.until[seat.name] = datetime(2099, 1, 1, tzinfo=UTC)

    def _check(self, seat: Seat, lab: str, exercise: str, stop: Cancellation) -> Outcome:
        self._note(None, "check", seat.name, lab, exercise)
        return Outcome(
            "1 of 2 tests passed",
            False,
            (Line("it ends with status 0", True), Line("it prints 42, not 41", False)),
        )

    def _hand_in(self, seat: Seat, lab: str, exercises: Sequence[str]) -> Outcome:
        self._note(None, "hand in", seat.name, lab, *exercises)
        return Outcome("handed in", True)

    def _reset(self, seat: Seat, machine: str) -> Outcome:
        self._note(None, "reset", seat.name, machine)
        return Outcome(f"{machine} is fresh", True)

    def _note(self, answer: T, *what: object) -> T:
        self.done.append(what)
        return answer
