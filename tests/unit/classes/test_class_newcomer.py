"""What somebody who has their first class trips over: words that were not true, or said too little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from class_files import HEAD, mistakes
from made_up_term import made_up_class

from orchestrator.classes import listen
from orchestrator.classes.board import Board, MachineRow, MachineState, SeatRow
from orchestrator.classes.buttons import checked
from orchestrator.classes.machines import Place
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.up import Up, being_changed, held
from orchestrator.classes.work.requests import check_lines
from orchestrator.classes.work.tested import CheckResult, MachineResult
from orchestrator.cli.classes import status, up
from orchestrator.progress import SilentProgress


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def found(tmp_path: Path) -> LoadedClass:
    return made_up_class(tmp_path / "class", 1, 'access: {web: "127.0.0.1:8443"}')


def test_status_in_the_middle_of_an_up_does_not_advise_another(found: LoadedClass) -> None:
    desk = MachineRow(Place("s00", "desk"), MachineState.UP)
    seat = SeatRow(found.seats[0], (desk,), 0, None, {}, frozenset(), {}, None)
    now, runs = Board((seat,), ()), status.RunningServices(None, False)
    assert "`isolab class up" in status._missing(found, now, runs)[0]
    with held(found, SilentProgress()) as waited:
        assert not waited
        assert being_changed(found)
        assert status._missing(found, now, runs) == [
            "another isolab is changing term now; students can come in when it is done"
        ]
    assert not being_changed(found)


def test_an_end_has_its_offset_from_utc() -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert status._end(soon) == soon.astimezone().strftime("%H:%M %z")
    late = soon + timedelta(days=30)
    assert status._end(late) == late.astimezone().strftime("%Y-%m-%d %H:%M %z")


def test_an_up_that_waited_for_another_does_not_end_its_link(
    found: LoadedClass, capsys: pytest.CaptureFixture[str]
) -> None:
    up._say(found, Up((), (), ()))
    assert "your page of the class, for 24 hours: http" in capsys.readouterr().out
    up._say(found, Up((), (), (), waited=True))
    said = capsys.readouterr().out
    assert "http" not in said
    assert "the link of your page is what the `up` before this one printed" in said


def test_a_port_that_the_gateway_may_not_have_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowest = tmp_path / "lowest"
    lowest.write_text("1024\n")
    monkeypatch.setattr(listen, "_LOWEST", lowest)
    assert mistakes(tmp_path, HEAD + 'access: {listen: »"0.0.0.0:1023"}\n') == [
        "» ports below 1024 are for programs with rights, and the SSH gateway has none: 1023"
        " (choose a higher one, such as 2222)"
    ]


def on(machine: str, status: str, output: str = "") -> MachineResult:
    return MachineResult(machine, status, 2.0, 2.0, "", (), output, "")


def test_machines_that_say_the_same_are_one_in_a_check() -> None:
    machines = (on("a", "pass", "at 1"), on("b", "fail"), on("c", "pass", "at 2"))
    done = CheckResult("s00", "small", "first", 0.0, 2.0, "desk", machines=machines)
    assert [line.text for line in checked(done).lines] == ["a, c: 2 of 2 points", "b: 2 of 2 points"]
    assert [line for line in check_lines(done) if line.startswith("on ")] == [
        "on a, c: pass, 2 of 2",
        "on b: fail, 2 of 2",
    ]
