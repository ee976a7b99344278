"""Taking a class down: each machine is entered once, and what it may have kept to itself is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from class_work import write_class
from factories import SITE, handle, order

from orchestrator import drivers
from orchestrator.classes import down, gateway
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import home_image
from orchestrator.classes.work.collect import collect
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.model import Handle, HomeDisk
from orchestrator.errors import LabError, TimedOut, TransportError
from orchestrator.machines.journal import Journal, member_of
from orchestrator.progress import SilentProgress, ToldProgress
from orchestrator.transport.base import EndingStream, Result
from orchestrator.transport.local import CommandTransport

MACHINES = [f"{seat}/{machine}" for seat in ("ada", "bob") for machine in ("desk", "other")]


@dataclass
class Guests:
    """A driver whose machines are folders of this host. ``said`` notes, for each machine, each connection,
    what is asked over it, and the end. ``sync`` is what happens to who asks for one, given the machine and
    how often it was asked before; ``dead`` machines use no memory."""

    sync: Callable[[str, int], None] = lambda _machine, _before: None
    dead: bool = False
    said: dict[str, list[str]] = field(default_factory=dict)

    @contextlib.contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[Guest]:
        self.note(handle, "connect")
        yield Guest(self, handle)
        self.note(handle, "close")

    def down(self, handle: Handle) -> None:
        self.note(handle, "down")

    def memory(self, handle: Handle) -> int:
        return 0 if self.dead else 1

    def note(self, handle: Handle, what: str) -> None:
        self.said.setdefault(name_of(handle), []).append(what)


@dataclass
class Guest:
    """One connection to one of them."""

    guests: Guests
    handle: Handle

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        if [*argv] != ["sync"]:
            self.guests.note(self.handle, "list")
            return CommandTransport().run(argv, deadline=deadline, stdin=stdin)
        before = self.guests.said[name_of(self.handle)].count("sync")
        self.guests.note(self.handle, "sync")
        self.guests.sync(name_of(self.handle), before)
        return Result(0, b"", b"")

    def open(self, argv: Sequence[str], deadline: Deadline) -> EndingStream:
        self.guests.note(self.handle, "copy")
        return CommandTransport().open(argv, deadline)


def name_of(handle: Handle) -> str:
    return f"{Path(handle.scratch).name}/{handle.machine}"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    """A class of two students with two machines each, all up; each home folder has one file."""
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    monkeypatch.setattr(gateway, "stop", lambda _: None)
    monkeypatch.setattr(gateway, "wanted", lambda _: False)
    (tmp_path / "class").mkdir()
    found = write_class(tmp_path / "class")
    for name in MACHINES:
        seat, machine = name.split("/")
        home, run = tmp_path / "homes" / name, f"20260102-030405-{seat}"
        home.mkdir(parents=True)
        (home / "work").write_text(name)
        image = home_image(found, seat, machine)
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_text("")
        site = replace(SITE, homes={"student": str(home)})
        one = handle(machine, run=run, scratch=str(tmp_path / "scratch" / seat), site=site)
        wanted = replace(
            order(), run=run, name=machine, home=HomeDisk(image, 1), logs=tmp_path / "logs" / name
        )
        Journal().intend(one, member_of(found.session(seat), str(found.file.resolve()), wanted))
        Journal().keep([one])
    return found


def taken_down(
    found: LoadedClass, guests: Guests, patch: pytest.MonkeyPatch
) -> tuple[down.Down, dict[str, list[str]], list[str]]:
    """Take the class down; returns what was done, what each machine was asked, and what was told."""
    told: list[str] = []
    patch.setattr(drivers, "load", lambda _: guests)
    done = down.bring_down(found, found.seats, ToldProgress(told.append), Cancellation(), everything=True)
    return done, guests.said, told


def failing(problem: LabError, times: int) -> Callable[[str, int], None]:
    """A sync that fails so often in the machine of ada's where she works, and in no other."""

    def sync(machine: str, before: int) -> None:
        if machine == "ada/desk" and before < times:
            raise problem

    return sync


def test_one_connection_lists_copies_and_writes_out(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, said, told = taken_down(found, Guests(), monkeypatch)
    assert said == {key: ["connect", "list", "copy", "sync", "close", "down"] for key in MACHINES}
    assert {name: (found.folder / "collected" / name / "work").read_text() for name in MACHINES} == {
        name: name for name in MACHINES
    }
    assert (len(done.gone), done.failed, told) == (4, (), [])


def test_a_collection_by_itself_enters_each_machine_once(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = Guests()
    monkeypatch.setattr(drivers, "load", lambda _: guests)
    collect(found, found.seats, SilentProgress(), Cancellation())
    assert guests.said == {key: ["connect", "list", "copy", "close"] for key in MACHINES}


def test_over_a_connection_that_broke_meanwhile_a_machine_is_asked_once_more(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = Guests(failing(TransportError("SSH connection lost"), 1))
    _, said, told = taken_down(found, guests, monkeypatch)
    entered = ["connect", "list", "copy", "sync", "close", "connect", "sync", "close", "down"]
    assert said["ada/desk"] == entered
    assert told == []


@pytest.mark.parametrize("problem", [TimedOut("sync: no answer"), TransportError("it failed there")])
def test_whose_home_folder_may_lack_something_is_told(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch, problem: LabError
) -> None:
    done, said, told = taken_down(found, Guests(failing(problem, 9)), monkeypatch)
    (line,) = told
    assert line.startswith(f"{found.session('ada')}/desk: it did not say within 60 s that its home folder")
    assert problem.message in line
    assert f"stays, in {home_image(found, 'ada', 'desk')}: bring it up again" in line
    assert said["ada/desk"][-1] == "down"
    assert (len(done.gone), done.failed) == (4, ())


def test_of_a_dead_machine_nothing_more_is_awaited(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = Guests(failing(TransportError("it is gone"), 9), dead=True)
    _, _, told = taken_down(found, guests, monkeypatch)
    assert told == []
