"""What the class's service does by itself, on made-up machines and clocks."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from made_up_term import made_up_class

from orchestrator.classes import gateway, overdue, service
from orchestrator.classes.down import Down
from orchestrator.classes.machines import Place, Standing
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.service import Service
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.work.collect import Collected
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.host.keeper import render_kept


class Room:
    """A service whose parts note what they are asked for."""

    def __init__(self, found: LoadedClass, patch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.did: list[str] = []
        self.calls = 0
        self.failing = ""
        self.down = Down((), (), (), ())
        self.service = Service(found, self.said.append)
        patch.setattr(gateway, "record_logins", lambda _: None)
        patch.setattr(gateway, "wanted", lambda _: True)
        patch.setattr(gateway, "alive", lambda _: "gateway up" in self.did)
        patch.setattr(gateway, "start", lambda _: self._do("gateway up"))
        patch.setattr(gateway, "stop", lambda _: self._do("gateway down"))
        patch.setattr(service, "message", lambda _c, seats, *_: self._do(f"warned {seats[0].name}"))
        patch.setattr(service, "bring_down", self._down)
        patch.setattr(service, "TICK_SECONDS", 0.0)

    def _do(self, what: str) -> None:
        if what == self.failing:
            raise Unavailable("no")
        self.did.append(what)

    def _down(self, found: LoadedClass, seats: list[object], *_: object, everything: bool) -> Down:
        for seat in seats:
            self._do(f"down {seat.name}")  # type: ignore[attr-defined]
        self.calls += 1
        TimeLimits(found).end(["s00"])
        return self.down

    def runs(self, ticks: int) -> None:
        """Let the service look so often."""
        stop = threading.Event()
        left = iter(range(ticks))
        stop.is_set = lambda: next(left, None) is None  # type: ignore[method-assign]
        self.service.run(stop, Cancellation())


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    return made_up_class(tmp_path / "class", 2, "lifetime: 1h")


def test_a_gateway_that_ended_is_started_again(found: LoadedClass, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(found, monkeypatch)
    room.runs(3)
    assert room.did == ["gateway up"]


def test_what_fails_is_said_once_and_tried_again(found: LoadedClass, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(found, monkeypatch)
    room.failing = "gateway up"
    room.runs(3)
    assert [words for words in room.said if "the gateway: no" in words] == ["the gateway: no"]
    room.failing = ""
    room.runs(1)
    assert room.did == ["gateway up"]


def test_whose_time_is_up_is_taken_down_until_it_works(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = TimeLimits(found)
    limits.begin(["s00", "s01"])
    limits.extend(["s00"], -3600)
    room = Room(found, monkeypatch)
    room.failing = "down s00"
    room.runs(2)
    assert "down s00" not in room.did
    room.failing = ""
    room.runs(2)
    assert room.did.count("down s00") == 1
    assert "down s01" not in room.did


def test_all_whose_time_is_up_are_taken_down_side_by_side(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    TimeLimits(found).extend(["s00", "s01"], -3600)
    room = Room(found, monkeypatch)
    gone = (Place("s00", "desk"), Place("s01", "desk"))
    room.down = Down(gone, (), (), ("s01/desk: kept",), frozenset(["s01"]))
    room.runs(1)
    assert room.calls == 1
    assert [one for one in room.did if one.startswith("down")] == ["down s00", "down s01"]
    assert "s00: its time is up: collected, 1 machine taken down" in room.said
    assert not any(words.startswith("s01: its time is up") for words in room.said)


def test_a_student_is_warned(found: LoadedClass, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = TimeLimits(found)
    limits.begin(["s00"])
    limits.extend(["s00"], -3600 + 299)
    room = Room(found, monkeypatch)
    room.service._before = datetime.now(UTC) - timedelta(minutes=1)
    room.runs(2)
    assert [one for one in room.did if one.startswith("warned")] == ["warned s00"]


def test_a_class_that_is_gone_is_not_served(found: LoadedClass, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(found, monkeypatch)
    monkeypatch.setattr(service, "TICK_SECONDS", 9.0)
    monkeypatch.setattr(threading.Event, "wait", lambda *_: None)
    found.file.rename(found.file.with_suffix(".away"))
    room.runs(2)
    assert "gateway down" not in room.did  # an editor may be writing it
    room.runs(2)
    assert "gateway down" in room.did


def test_what_was_not_taken_at_the_end_is_in_the_log(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = TimeLimits(found)
    limits.begin(["s00"])
    limits.extend(["s00"], -3600)
    room = Room(found, monkeypatch)
    left = Collected("s00", "desk", skipped=("core: 2.0 GiB",), missed=("core: 2.0 GiB",))
    room.down = Down((), (left,), (), ("s00/desk: kept", "s00/other: is kept"), frozenset(["s00"]))
    room.runs(1)
    assert any(words == "s00/desk: not taken: core: 2.0 GiB" for words in room.said)
    assert "the end: s00/desk: kept; s00/other: is kept" in room.said
    assert not any("collected, " in words for words in room.said)


def test_a_time_that_is_up_of_nobody_who_is_up_is_over(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = TimeLimits(found)
    limits.extend(["s01"], -3600)
    room = Room(found, monkeypatch)
    room.runs(3)
    assert room.did.count("down s01") == 1
    assert limits.ends() == {}


@pytest.mark.parametrize(("alive", "said"), [(True, True), (False, False)])
def test_who_was_up_long_after_the_end_is_told(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch, alive: bool, said: bool
) -> None:
    place = Place("s00", "desk")
    stands = {place: Standing(place, cast(Any, SimpleNamespace(coming=False)), int(alive))}
    monkeypatch.setattr(overdue, "standing", lambda _: stands)
    TimeLimits(found).extend(["s00"], -3600)
    now = datetime.now(UTC)
    assert overdue.overdue(found, ["s00", "s01"], now) == []
    words = overdue.overdue(found, ["s00", "s01"], now + timedelta(seconds=40))
    assert bool(words) is said
    assert all(one.startswith("s00 was up 40 s after the end: ") for one in words)


def test_warnings_are_counted_in_the_log(found: LoadedClass, monkeypatch: pytest.MonkeyPatch) -> None:
    TimeLimits(found).extend(["s00"], -3600 + 59)
    room = Room(found, monkeypatch)
    room.service._before = datetime.now(UTC) - timedelta(minutes=1)
    room.runs(1)
    assert "s00: warned: 1 minute left" in room.said


@pytest.mark.parametrize(
    ("first", "wanted", "runs", "code"),
    [
        ("kill -KILL $$", True, 2, 0),
        ("kill -KILL $$", False, 1, 0),
        ("kill -TERM $$", True, 1, 143),
        ("exit 3", True, 1, 3),
        ("exit 0", True, 1, 0),
    ],
)
def test_only_what_was_killed_is_started_again(
    tmp_path: Path, first: str, wanted: bool, runs: int, code: int
) -> None:
    file, log = tmp_path / "a wanted", tmp_path / "log"
    if wanted:
        file.touch()
    script = f'echo run >> "$1"; [ $(wc -l < "$1") -gt 1 ] && exit 0; {first}'
    argv = render_kept(["/bin/sh", "-c", script, "sh", str(log)], file, 0, "the service")
    done = process.run(argv, deadline=Deadline.after(60), check=False)
    assert log.read_text().count("run") == runs
    assert done.code == code
    assert (b"killed by signal 9: starting it again" in done.stdout) is (runs == 2)
