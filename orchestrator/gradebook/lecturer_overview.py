"""What the lecturer's page says of a class, as plain data. Of several attempts, it is about the latest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.gradebook.class_tests import ClassTest, class_tests, latest
from orchestrator.gradebook.lecturer_tables import ROWS, Rows, short, tables_of, totals_of
from orchestrator.gradebook.statistics import Bin, Distribution, histogram, spread
from orchestrator.grading.model import Grade, Gradebook, Verdict

_FEWEST, _MOST = 5, 20
"""Points of an exercise that has a bar for each."""


@dataclass(frozen=True)
class ExerciseOverview:
    """An exercise as the class did; ``bins`` are its points."""

    name: str
    title: str
    max_points: float
    spread: Distribution | None
    bins: tuple[Bin, ...]
    scored: int
    not_gradable: int
    no_result: int
    absent: int


@dataclass(frozen=True)
class Overview:
    """All of the lecturer's page."""

    lab: str
    students: int
    handed_in: int
    attempts: bool
    max_points: float
    spread: Distribution | None
    bins: tuple[Bin, ...]
    incomplete: int
    exercises: tuple[ExerciseOverview, ...]
    tests: tuple[ClassTest, ...]
    notes: tuple[str, ...]
    tables: tuple[Rows, ...]


def overview_of(book: Gradebook) -> Overview:
    """Return what there is to say of a class."""
    grades = latest(book)
    exercises = tuple(_exercise(book, name, grades) for name in book.exercises)
    most = sum(each.max_points for each in exercises)
    totals = list(totals_of(grades).values())
    return Overview(
        lab=short(book.lab.lab.title or book.lab.lab.lab),
        students=len(book.students),
        handed_in=len({grade.student.id for grade in grades if grade.handed_in}),
        attempts=any(grade.attempt > 1 for grade in grades),
        max_points=most,
        spread=spread(totals),
        bins=histogram(totals, most, _bins(most)),
        incomplete=len({grade.student.id for grade in grades if grade.points is None}),
        exercises=exercises,
        tests=class_tests(book),
        notes=tuple(map(short, book.notes[:ROWS])),
        tables=tables_of(book, grades),
    )


def _exercise(book: Gradebook, name: str, grades: Sequence[Grade]) -> ExerciseOverview:
    mine = [grade for grade in grades if grade.exercise == name]
    there = [grade for grade in mine if grade.handed_in]
    most = max((grade.max_points for grade in mine), default=0.0)
    points = [grade.points for grade in there if grade.points is not None]
    titles = {each.name: each.public.spec.title for each in book.lab.exercises}
    counts = {verdict: sum(one.verdict is verdict for one in there) for verdict in Verdict}
    return ExerciseOverview(
        name=short(name),
        title=short(titles.get(name, "")),
        max_points=most,
        spread=spread(points),
        bins=histogram(points, most, _bins(most)),
        scored=counts[Verdict.SCORED],
        not_gradable=counts[Verdict.NOT_GRADABLE],
        no_result=counts[Verdict.NO_RESULT],
        absent=len(mine) - len(there),
    )


def _bins(most: float) -> int:
    """Return how many bars: one for each point where they are few, so that no bar is always empty."""
    return int(most) if most == int(most) and _FEWEST <= most <= _MOST else 10
