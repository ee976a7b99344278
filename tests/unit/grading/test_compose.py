"""From verdicts on machines to grades of students."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest

from orchestrator.grading.compose import NOT_OURS, NOTHING_HANDED_IN, UNCLEAR, gradebook, judged, settled
from orchestrator.grading.model import Grade, Verdict
from orchestrator.grading.work import Work
from orchestrator.record import PANIC, Record, Status
from orchestrator.submissions.model import Intake, Student, Submission

ADA, BOB = Student("ada"), Student("bob")


def record(points: float = 2.0, machine: str = "vm", **changes: Any) -> Record:
    status = Status.PASS if points == 2.0 else Status.FAIL
    plain = factories.record("a", machine=machine, status=status, reason="" if points == 2.0 else "sum: no")
    return replace(plain, **{"points": points, "max_points": 2.0, **changes})


def graded(*records: Record, mean: bool = False) -> Grade:
    return judged(Grade(ADA, "a", Verdict.NO_RESULT, None, 2.0, records=records), mean=mean)


FAILED = record(0.0, "arm", status=Status.ERROR, reason="the machine did not boot")
SKIPPED = record(0.0, "old", status=Status.SKIP, reason="needs kernel >=6", max_points=0.0)
UNBUILT = record(0.0, "arm", gradable=False, reason="a.c:1: error", status=Status.FAIL)


@pytest.mark.parametrize(
    ("records", "mean", "verdict", "points"),
    [
        ([record()], False, Verdict.SCORED, 2.0),
        ([record(), record(0.5, "arm")], False, Verdict.SCORED, 0.5),
        ([record(), record(0.5, "arm")], True, Verdict.SCORED, 1.25),
        ([record(), SKIPPED], False, Verdict.SCORED, 2.0),
        ([record(), SKIPPED], True, Verdict.SCORED, 2.0),
        ([record(), FAILED], False, Verdict.NO_RESULT, None),
        ([record(), FAILED], True, Verdict.NO_RESULT, None),
        ([SKIPPED], False, Verdict.NO_RESULT, None),
        ([UNBUILT], False, Verdict.NOT_GRADABLE, 0.0),
        ([record(), UNBUILT], False, Verdict.NOT_GRADABLE, 0.0),
        ([record(), UNBUILT], True, Verdict.SCORED, 1.0),
        ([UNBUILT, FAILED], False, Verdict.NO_RESULT, None),
    ],
)
def test_points_across_machines(
    records: list[Record], mean: bool, verdict: Verdict, points: float | None
) -> None:
    grade = graded(*records, mean=mean)
    assert (grade.verdict, grade.points) == (verdict, points)


def test_where_machines_have_different_maxima_the_lowest_share_counts() -> None:
    grade = graded(record(), record(1.0, "arm", max_points=4.0, status=Status.FAIL))
    assert (grade.points, grade.max_points) == (1.0, 4.0)


def test_the_reason_names_the_machine_that_counted_if_others_did_better() -> None:
    assert graded(record(), record(1.0, "arm")).reason == "on arm: sum: no"
    assert graded(record(1.0), record(1.0, "arm")).reason == "sum: no"


def test_no_result_says_so_and_nothing_of_what_failed_here() -> None:
    grade = graded(record(), FAILED)
    assert grade.reason == NOT_OURS
    assert "needs kernel" in graded(SKIPPED).reason


def test_a_hidden_reason_is_not_in_the_grade() -> None:
    view = {"reason": "hidden tests did not all pass", "checks": []}
    assert graded(record(1.0, reason="secret: 42", student_view=view)).reason == view["reason"]


def _book(
    *works: Work, absent: tuple[Student, ...] = (), lab: Any = None, unclear: tuple[Student, ...] = ()
) -> Any:
    intake = Intake("own", tuple(work.submission for work in works), absent, (), unclear)
    exercises = [factories.loaded(Path("/exercises") / name, {}, name) for name in ("a", "b")]
    lab = lab or factories.lab({"vm": {"driver": "qemu"}}, ["a", "b"])
    return gradebook(lab, intake, exercises, ["vm"], works, lambda _work, _machine: record())


def _work(exercise: str, *students: Student) -> Work:
    about = Submission(students, Path(), "x", platform_id="77", late=True)
    return Work(
        about,
        factories.loaded(Path("/exercises") / exercise, {}, exercise),
        "d",
        {"a.c": "ff"},
        remarks=("took A.C as a.c",),
    )


def test_everybody_has_a_grade_in_every_exercise() -> None:
    works = (_work("a", ADA), _work("b", ADA))
    book = _book(*works, absent=(BOB,))
    assert [(g.student.id, g.exercise, g.points) for g in book.grades] == [
        ("ada", "a", 2.0),
        ("ada", "b", 2.0),
        ("bob", "a", 0.0),
        ("bob", "b", 0.0),
    ]
    nothing = book.of(BOB)[0]
    assert (nothing.verdict, nothing.reason) == (Verdict.NOT_GRADABLE, NOTHING_HANDED_IN)
    assert not nothing.handed_in
    assert book.of(ADA)[0].handed_in


def test_who_may_have_handed_in_has_no_result() -> None:
    book = _book(_work("a", ADA), absent=(BOB,), unclear=(BOB,))
    told = {(bob.verdict, bob.points, bob.reason) for bob in book.of(BOB)}
    assert told == {(Verdict.NO_RESULT, None, UNCLEAR)}


def test_each_member_of_a_team_gets_the_grade() -> None:
    book = _book(_work("a", ADA, BOB))
    assert [(g.student.id, g.points, g.platform_id, g.late) for g in book.grades] == [
        ("ada", 2.0, "77", True),
        ("bob", 2.0, "77", True),
    ]


def test_a_kernel_that_panicked_on_every_machine_costs_the_points() -> None:
    lost = record(0.0, status=Status.ERROR, reason="the machine's kernel panicked: no memory", max_points=0.0)
    assert settled(lost, 2.0) == lost
    grade = graded(settled(replace(lost, killed_for=PANIC), 2.0))
    assert (grade.verdict, grade.points, grade.max_points) == (Verdict.SCORED, 0.0, 2.0)
    assert grade.reason == lost.reason
