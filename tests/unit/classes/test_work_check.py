"""What a check runs is what students have of the exercise; what it says back, and what a class is told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from class_work import SKELETON, write_class

from orchestrator.classes.activity import Activity, Kind
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.work import check as checking
from orchestrator.classes.work.check import check
from orchestrator.classes.work.chosen import Chosen
from orchestrator.classes.work.command import Ran, alike
from orchestrator.classes.work.message import checked, render
from orchestrator.classes.work.requests import check_lines
from orchestrator.classes.work.tested import CheckResult
from orchestrator.deadline import Cancellation
from orchestrator.errors import SpecError, Unavailable
from orchestrator.labfile.load import LoadedLab
from orchestrator.progress import SilentProgress
from orchestrator.record import CheckResult as RecordedCheck
from orchestrator.record import Record, Status


class Machines:
    """Machines that record what they were given, and answer with these records, in turn."""

    def __init__(self, *answers: Record) -> None:
        self.answers = list(answers)
        self.labs: list[LoadedLab] = []
        self.files: list[dict[str, str]] = []

    def run(self, lab: LoadedLab) -> list[Record]:
        self.labs.append(lab)
        folder = lab.exercises[0].folder
        self.files.append(
            {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
        )
        return [self.answers.pop(0)]


def record(status: Status, points: float = 0.0, reason: str = "") -> Record:
    test = RecordedCheck("answer", status is Status.PASS, "1", "2\x1b[31m", points=points, max_points=2.0)
    nothing = ("",) * 3
    place = ("", "qemu", "vm", "amd64", "tcg", "./first")
    return Record(*nothing, "here", *place, status, reason, points, 2.0, checks=(test,))


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture
def found(tmp_path: Path) -> LoadedClass:
    (tmp_path / "class").mkdir()
    return write_class(tmp_path / "class")


def checked_by(found: LoadedClass, machines: Machines, files: dict[str, str]) -> CheckResult:
    class Desk:
        machine = "desk"

    def work_of(*about: object) -> tuple[object, Chosen]:
        target = about[4]
        assert isinstance(target, Path)
        for name, text in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(text)
        return Desk, Chosen((), (), ())

    with (
        patch.object(checking, "work_of", work_of),
        patch.object(checking._Checking, "_run", lambda _self, lab, _names: machines.run(lab)),
    ):
        return check(found, found.seats[0], "small", "first", SilentProgress(), Cancellation())


def test_nothing_hidden_is_in_reach(found: LoadedClass) -> None:
    machines = Machines(record(Status.PASS, 2.0))
    done = checked_by(found, machines, {"first/answer.c": SKELETON})
    assert (done.points, done.most, done.passed) == (2.0, 2.0, True)
    (files,) = machines.files
    assert "secret" not in "".join(files.values())
    assert not any("hidden" in name for name in files)
    exercise = machines.labs[0].exercises[0]
    assert exercise.hidden is None
    assert [check.that for check in exercise.spec.checks if check.points] == ["answer"]
    assert exercise.spec.parameters == {}
    (event,) = Activity(found).events([Kind.CHECKED])
    assert (event.lab, event.exercise, event.points, event.most) == ("small", "first", 2.0, 2.0)


def test_a_machine_without_a_result_is_tried_once_more(found: LoadedClass) -> None:
    lost = record(Status.ERROR, reason="lost")
    files = {"first/answer.c": SKELETON}
    assert checked_by(found, Machines(lost, record(Status.FAIL)), files).points == 0.0
    done = checked_by(found, Machines(lost, lost), files)
    assert (done.points, done.passed) == (None, False)
    assert "no result" in done.summary


def test_missing_files_run_nothing(found: LoadedClass) -> None:
    done = checked_by(found, Machines(), {"first/notes": "x"})
    assert "answer.c is missing" in done.missing
    assert "~/small/first/" in done.missing
    assert (done.points, done.machines) == (0.0, ())


def test_what_is_said_back_is_printable(found: LoadedClass) -> None:
    files = {"first/answer.c": SKELETON}
    done = checked_by(found, Machines(record(Status.FAIL, reason="a\x1b]0;b\nc")), files)
    lines = list(check_lines(done))
    assert all(line.isprintable() for line in lines)
    assert "  FAIL answer: got 1, expected 2\\x1b[31m" in lines


def test_one_check_of_a_seat_at_a_time(found: LoadedClass) -> None:
    seat = found.seats[0]
    with checking._alone(found, seat), pytest.raises(Unavailable, match="running already"):
        check(found, seat, "small", "first", SilentProgress(), Cancellation())
    with checking._alone(found, seat), checking._alone(found, found.seats[1]):
        pass


def test_equal_answers_are_put_together_the_most_frequent_first() -> None:
    some = [Ran("a", "desk", "exit 1"), *(Ran(seat, "desk", "exit 0", "hi\n") for seat in "bcd")]
    assert [[one.seat for one in group] for group in alike(some)] == [["b", "c", "d"], ["a"]]


def test_a_message_is_text_and_nothing_else() -> None:
    words = checked("  Ten minutes\r\n\x1b[2Jleft\n$(reboot)\tnow\n")
    assert words == "Ten minutes\n\\x1b[2Jleft\n$(reboot)       now"
    raw = render(words, datetime(2027, 3, 8, 9, 5)).decode()
    assert "*** Message to the class, 09:05:\r\nTen minutes\r\n" in raw
    assert {one for one in raw if not one.isprintable()} == {"\r", "\n", "\a"}
    for wrong in ("", " \n", "x" * 3000):
        with pytest.raises(SpecError):
            checked(wrong)
