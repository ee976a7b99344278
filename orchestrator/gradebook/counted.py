"""What counts: one grade for each student and exercise, of all attempts, after the policy. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.formatting import counted as number_of
from orchestrator.gradebook.points import points_text
from orchestrator.gradebook.policy import Keep, Policy
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.submissions.model import Student

NOTHING = "nothing handed in"
NOT_GRADED = "not graded yet: run the same `isolab grade` again"


@dataclass(frozen=True)
class Counted:
    """The grade that counts of a student in an exercise.

    ``grade`` is as it was graded; ``points`` are those after the policy, None where the verdict is
    *no result*. ``late`` is "", or the days (begun ones whole), or "yes" where only the platform says that it
    was late. ``reason`` is the grade's, and what the policy took, which ``taken`` says alone.
    """

    grade: Grade
    points: float | None
    late: str = ""
    reason: str = ""
    taken: str = ""

    @property
    def student(self) -> Student:
        return self.grade.student


def counted(book: Gradebook, policy: Policy) -> tuple[Counted, ...]:
    """Return what counts, by student, then by exercise: everybody of the class in every exercise."""
    by: dict[tuple[str, str], list[Grade]] = {}
    for grade in book.grades:
        by.setdefault((grade.student.id, grade.exercise), []).append(grade)
    most = {grade.exercise: grade.max_points for grade in reversed(book.grades)}
    present = {grade.student.id for grade in book.grades if grade.handed_in}
    return tuple(
        applied(policy, by.get((student.id, exercise), ()))
        or _without(student, exercise, most.get(exercise, 0.0), handed_in=student.id in present)
        for student in book.students
        for exercise in book.exercises
    )


def applied(policy: Policy, attempts: Sequence[Grade]) -> Counted | None:
    """Return the one of a student's attempts at an exercise that counts, with its points after the policy;
    None of none. An attempt without a result that might have been the best leaves all without a result."""
    if not attempts:
        return None
    found = [_under(policy, grade) for grade in sorted(attempts, key=lambda grade: grade.attempt)]
    if policy.keep is Keep.LAST:
        return found[-1]
    have = [(one.points, one) for one in found if one.points is not None]
    best, chosen = max(have, key=lambda pair: pair[0], default=(-1.0, found[0]))
    open_ = [one for one in found if one.points is None and _ceiling(policy, one.grade) > best]
    return open_[-1] if open_ else chosen


def _ceiling(policy: Policy, grade: Grade) -> float:
    """The most that an attempt without a result can still be worth."""
    return policy.after(grade.max_points, policy.days_late(grade.student.id, grade.submitted) or 0)


def _under(policy: Policy, grade: Grade) -> Counted:
    days = policy.days_late(grade.student.id, grade.submitted)
    late = ("yes" if grade.late else "") if days is None else str(days or "")
    if grade.points is None:
        return Counted(grade, None, late, grade.reason)
    points = policy.after(grade.points, days or 0)
    words = _words(policy, days, grade.points - points)
    if days is None and grade.late and policy.penalty_per_day:
        words = "late, but the platform does not say when it was handed in: no penalty"
    return Counted(grade, points, late, "; ".join(part for part in (grade.reason, words) if part), words)


def _words(policy: Policy, days: int | None, lost: float) -> str:
    if not days or not lost:
        return ""
    free = min(days, policy.late_days)
    spared = f", {free} of them free" if free else ""
    return f"{number_of(days, 'day')} late{spared}: -{points_text(lost)}"


def _without(student: Student, exercise: str, most: float, *, handed_in: bool) -> Counted:
    """A student without a grade: nothing came, or grading was interrupted."""
    verdict, points, why = (
        (Verdict.NO_RESULT, None, NOT_GRADED) if handed_in else (Verdict.NOT_GRADABLE, 0.0, NOTHING)
    )
    return Counted(Grade(student, exercise, verdict, points, most, why), points, "", why)


@dataclass(frozen=True)
class Total:
    """What a student has in the whole lab: ``points`` of ``max_points``, None if a result is lacking.
    ``numbers`` are those under which the platform knows the student's submissions; ``unclear``: a submission
    may be this student's."""

    student: Student
    points: float | None
    max_points: float
    handed_in: bool
    numbers: frozenset[str]
    unclear: bool = False


def totals(book: Gradebook, grades: Sequence[Counted]) -> tuple[Total, ...]:
    """Return everybody's total of what counts."""
    by: dict[str, list[Counted]] = {student.id: [] for student in book.students}
    numbers: dict[str, set[str]] = {student.id: set() for student in book.students}
    for one in grades:
        by[one.student.id].append(one)
    for grade in book.grades:
        numbers.setdefault(grade.student.id, set()).update({grade.platform_id} - {""})
    return tuple(_total(student, by[student.id], numbers[student.id]) for student in book.students)


def _total(student: Student, grades: Sequence[Counted], numbers: set[str]) -> Total:
    points = [one.points for one in grades if one.points is not None]
    complete = len(points) == len(grades)
    return Total(
        student,
        sum(points) if complete else None,
        sum(one.grade.max_points for one in grades),
        not complete or any(one.grade.handed_in for one in grades),
        frozenset(numbers),
        any(one.grade.unclear for one in grades),
    )


def adjusted(grades: Sequence[Counted]) -> dict[str, str]:
    """Return for the exercises whose points the policy changed what it made of them, in words."""
    return {
        one.grade.exercise: f"{points_text(one.points)} of {points_text(one.grade.max_points)} points count "
        f"({one.taken})"
        for one in grades
        if one.points is not None and one.taken
    }
