"""The tests of a class's exercises: who passed which, how hard each is, how well it discriminates. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.gradebook.statistics import LEAST, discrimination, share
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.record import CheckResult, Record, Status

TOO_FEW = "too few"


@dataclass
class _Test:
    """A test while its results are counted: ``passed`` and ``won`` are by the student's id."""

    exercise: str
    name: str
    hidden: bool
    points: float = 0.0
    passed: dict[str, bool] = field(default_factory=dict)
    won: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassTest:
    """A test as its class did: ``n`` students whose work ran, the ``share`` of them who passed, and, of
    ``rest_n`` students without a missing result, its ``discrimination``; None where ``why_not`` says why."""

    exercise: str
    name: str
    hidden: bool
    points: float
    n: int
    share: float
    rest_n: int
    discrimination: float | None
    why_not: str


def latest(book: Gradebook) -> tuple[Grade, ...]:
    """Return the grade of the latest attempt of each student at each exercise, in the book's order."""
    found: dict[tuple[str, str], Grade] = {}
    for grade in book.grades:
        key = (grade.student.id, grade.exercise)
        if key not in found or grade.attempt >= found[key].attempt:
            found[key] = grade
    return tuple(found.values())


def judged(grade: Grade) -> tuple[Record, ...]:
    """Return the records of machines on which the work ran and was judged."""
    return tuple(one for one in grade.records if one.status in (Status.PASS, Status.FAIL))


def passed(check: CheckResult) -> bool:
    """Return whether a test was passed and counted: it has no points in a program that was stopped."""
    return check.held and check.points >= check.max_points


def named_checks(checks: Sequence[CheckResult]) -> Iterator[tuple[str, CheckResult]]:
    """Yield checks with their names; those of one observation are numbered."""
    seen: Counter[tuple[str, bool]] = Counter()
    for check in checks:
        seen[check.that, check.hidden] += 1
        number = seen[check.that, check.hidden]
        yield (check.that if number == 1 else f"{check.that} ({number})"), check


def class_tests(book: Gradebook) -> tuple[ClassTest, ...]:
    """Return the tests of the class that are worth points, in the order of exercises. A test is passed on all
    machines or not."""
    grades = latest(book)
    tests = _counted(book, grades)
    open_ones = {grade.student.id for grade in grades if grade.points is None}
    totals: Counter[str] = Counter()
    for test in tests:
        totals.update(test.won)
    return tuple(_measured(test, totals, open_ones) for test in tests)


def _counted(book: Gradebook, grades: Sequence[Grade]) -> list[_Test]:
    found: dict[tuple[str, str, bool], _Test] = {}
    for grade in grades:
        if grade.verdict is not Verdict.SCORED:
            continue
        for record in judged(grade):
            for name, check in named_checks([one for one in record.checks if one.max_points]):
                key = (grade.exercise, name, check.hidden)
                test = found.setdefault(key, _Test(grade.exercise, name, check.hidden))
                _count(test, grade.student.id, check)
    order = {name: place for place, name in enumerate(book.exercises)}
    return sorted(found.values(), key=lambda test: order.get(test.exercise, len(order)))


def _count(test: _Test, student: str, check: CheckResult) -> None:
    test.points = max(test.points, check.max_points)
    test.passed[student] = passed(check) and test.passed.get(student, True)
    test.won[student] = min(check.points, test.won.get(student, check.points))


def _measured(test: _Test, totals: Mapping[str, float], open_ones: set[str]) -> ClassTest:
    known = [student for student in test.passed if student not in open_ones]
    held = [test.passed[student] for student in known]
    rest = [round(totals[student] - test.won[student], 6) for student in known]  # sums of floats differ
    found = discrimination(held, rest)
    return ClassTest(
        exercise=test.exercise,
        name=test.name,
        hidden=test.hidden,
        points=test.points,
        n=len(test.passed),
        share=share(list(test.passed.values())) or 0.0,
        rest_n=len(known),
        discrimination=found,
        why_not="" if found is not None else _why_not(held),
    )


def _why_not(held: Sequence[bool]) -> str:
    if len(held) < LEAST:
        return TOO_FEW
    if len(set(held)) < 2:
        return "all pass" if held[0] else "all fail"
    return "all have the same rest"
