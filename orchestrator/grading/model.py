"""Grades: the verdict on a student's work on one exercise, and all of a class's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from orchestrator.labfile.load import LoadedLab
from orchestrator.record import Record
from orchestrator.submissions.model import Student


class Verdict(StrEnum):
    """How grading ended. ``scored``: there are points. ``not gradable``: it does not compile, or files are
    missing or refused, which is the student's doing: 0 points. ``no result``: isolab or the host failed: no
    points and no loss."""

    SCORED = "scored"
    NOT_GRADABLE = "not gradable"
    NO_RESULT = "no result"


@dataclass(frozen=True)
class Grade:
    """One student's grade in one exercise, of one attempt, over all machines of the lab.

    ``points`` is None where the verdict is *no result*. ``reason`` says why points are missing, as the
    student may read it. ``records`` are the results on each machine, in the lab's order; those of machines
    the exercise does not run on are skips. ``submitted`` and ``late`` are the submission's; None and False
    for those who handed in nothing, who have no records either. ``remarks`` say which files were taken from
    where, and what was refused. ``files`` are the files graded with their SHA-256, hexadecimal.
    ``unstable`` says what was not the same when the same work was graded again. ``copied_from`` are the ids
    of students whose parameters' values the program answered in place of its own student's. ``unclear``:
    a submission may be this student's, and nobody could tell whose it is.
    """

    student: Student
    exercise: str
    verdict: Verdict
    points: float | None
    max_points: float
    reason: str = ""
    records: tuple[Record, ...] = ()
    attempt: int = 1
    submitted: datetime | None = None
    late: bool = False
    platform_id: str = ""
    remarks: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unstable: tuple[str, ...] = ()
    copied_from: tuple[str, ...] = ()
    unclear: bool = False

    @property
    def handed_in(self) -> bool:
        """Whether there was a submission at all, whatever was in it."""
        return bool(self.records or self.files or self.remarks or self.submitted or self.platform_id)


@dataclass(frozen=True)
class Gradebook:
    """The grades of a class in one lab: one for each student, exercise and attempt, by student's id.

    ``students`` is everybody, those who handed in nothing included; ``exercises`` are the graded ones in the
    lab's order, ``machines`` likewise. ``notes`` are the intake's.
    """

    lab: LoadedLab
    students: tuple[Student, ...]
    exercises: tuple[str, ...]
    machines: tuple[str, ...]
    grades: tuple[Grade, ...]
    notes: tuple[str, ...] = ()

    def of(self, student: Student) -> tuple[Grade, ...]:
        """The grades of one student, in the order of the exercises, then of attempts."""
        return tuple(grade for grade in self.grades if grade.student.id == student.id)
