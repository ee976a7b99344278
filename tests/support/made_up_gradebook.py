"""A made-up class and its grades: every verdict, late work, several attempts, a team, names that attack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import factories

from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.record import CheckResult, Record, Status
from orchestrator.submissions.model import Student

DUE = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)
ON_TIME = DUE - timedelta(hours=3)
EXERCISES = ("ipc/pipe", "ipc/fifo")
MACHINES = ("vm", "s390x")

ANNA = Student("s001", "Anna Schmidt", "anna@example.org", "Mon")
BOB = Student("s002", "Bob O'Neil", "bob@example.org", "Mon")
CHEN = Student("s003", "Chen Wei", "chen@example.org", "Tue")
DORA = Student("s004", "Dora Müller-Lüdenscheidt", "dora@example.org", "Tue")
EVE = Student("=evil()", '=HYPERLINK("http://x","<script>alert(1)</script>")', "eve@example.org", "\x1b[31m")
FRED = Student("s006", "Fred Absent", "fred@example.org", "")
CLASS: tuple[Student, ...] = (EVE, ANNA, BOB, CHEN, DORA, FRED)
"""Sorted by id, as a gradebook has them."""
HIDDEN = "the answer is 42"
"""What the hidden test expects, and no student may read."""


def student(id: str = "s001", **changes: Any) -> Student:  # noqa: A002
    """A student with a name and an e-mail address made of the id."""
    return replace(Student(id, f"Name of {id}", f"{id}@example.org"), **changes)


def checks(won: float = 2.0) -> tuple[CheckResult, ...]:
    """Two visible tests and a hidden one, of a point each, the first ones passed as far as points go."""
    names = (("capacity", "65536", False), ("blocked", "yes", False), ("secret", HIDDEN, True))
    return tuple(
        CheckResult(
            that, won > at, expected if won > at else "no", expected,
            points=min(1.0, max(0.0, won - at)), max_points=1.0, hidden=hidden,
        )
        for at, (that, expected, hidden) in enumerate(names)
    )  # fmt: skip


def record(who: Student, exercise: str, machine: str = "vm", won: float = 3.0, **changes: Any) -> Record:
    """The result of a student's work on one machine, with hidden tests among its tests."""
    found = checks(won)
    visible = tuple(check for check in found if not check.hidden)
    lost = [check for check in found if not check.held]
    seen = {
        "reason": "; ".join(f"{check.that}: no" for check in visible if not check.held),
        "checks": [check.to_data() for check in visible],
        "observations": {},
        "stdout": "",
    }
    plain = factories.record(
        exercise,
        student=who.id,
        machine=machine,
        boundary="emulated" if machine == "s390x" else "vm",
        arch="s390x" if machine == "s390x" else "amd64",
        status=Status.FAIL if lost else Status.PASS,
        reason="; ".join(f"{check.that}: expected {check.expected}, got {check.got}" for check in lost),
        points=won,
        max_points=3.0,
        seconds=0.25,
        checks=found,
        student_view=seen,
        stdout="hello\n",
    )
    return replace(plain, **changes)


def grade(
    who: Student = ANNA, exercise: str = EXERCISES[0], points: float | None = 3.0, **changes: Any
) -> Grade:
    """A grade of at most 3 points, scored and on time, with a record for each machine."""
    verdict = Verdict.NO_RESULT if points is None else Verdict.SCORED
    records = tuple(record(who, exercise, machine, points or 0.0) for machine in MACHINES)
    if points is None:
        broken: dict[str, Any] = {
            "status": Status.ERROR,
            "reason": "the machine did not boot",
            "checks": (),
            "student_view": None,
        }
        records = tuple(replace(each, **broken, points=0.0) for each in records)
    plain = Grade(
        who, exercise, verdict, points, 3.0,
        reason="" if points == 3.0 else "the machine did not boot" if points is None else "blocked: no",
        records=records,
        submitted=ON_TIME,
        platform_id=str(1000 + sum(map(ord, who.id))),
        files={"work.c": "ab" * 32},
    )  # fmt: skip
    return replace(plain, **changes)


def not_gradable(who: Student, exercise: str, **changes: Any) -> Grade:
    """A grade for work that does not compile."""
    words = "it does not compile: work.c:3:5: error: expected ';'"
    broken: dict[str, Any] = {"status": Status.FAIL, "reason": words, "gradable": False, "checks": ()}
    plain = grade(who, exercise, 0.0)
    records = tuple(replace(each, **broken, student_view=None) for each in plain.records)
    return replace(plain, **{"verdict": Verdict.NOT_GRADABLE, "reason": words, "records": records, **changes})


def absent(who: Student, exercise: str) -> Grade:
    """The grade of somebody who handed in nothing."""
    return Grade(who, exercise, Verdict.NOT_GRADABLE, 0.0, 3.0, "nothing handed in")


def gradebook(grades: tuple[Grade, ...] | None = None, **changes: Any) -> Gradebook:
    """The class's grades: by default those of ``a_class``."""
    machines = {"vm": {"driver": "qemu"}, "s390x": {"driver": "qemu", "arch": "s390x"}}
    lab = factories.lab(machines, EXERCISES, title="Small lab")
    found = a_class() if grades is None else grades
    students = CLASS
    if grades is not None:
        known = {each.student.id: each.student for each in grades}
        students = tuple(known[key] for key in sorted(known))
    return replace(Gradebook(lab, students, EXERCISES, MACHINES, found), **changes)


def a_class() -> tuple[Grade, ...]:
    """Anna has everything; Bob is a day late, and part of it fails; Chen does not compile, twice; Dora
    lacks a result; Eve attacks the readers; Fred is absent."""
    pipe, fifo = EXERCISES
    late = {"submitted": DUE + timedelta(hours=5), "late": True}
    return (
        grade(EVE, pipe, 1.0, reason='=cmd|"/c calc"!A1\n<b>&amp;'),
        grade(EVE, fifo, 0.0),
        grade(ANNA, pipe),
        grade(ANNA, fifo),
        grade(BOB, pipe, 2.0, **late),
        grade(BOB, fifo, 3.0, **late),
        not_gradable(CHEN, pipe),
        not_gradable(CHEN, pipe, attempt=2, submitted=DUE + timedelta(days=1, hours=1), late=True),
        grade(CHEN, fifo, 1.5),
        grade(CHEN, fifo, 2.5, attempt=2, submitted=DUE + timedelta(days=1, hours=1), late=True),
        grade(DORA, pipe, None),
        grade(DORA, fifo, 2.0),
        absent(FRED, pipe),
        absent(FRED, fifo),
    )
