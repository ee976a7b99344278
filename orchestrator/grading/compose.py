"""From verdicts on machines to grades of students. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from orchestrator.exercises.parameters import whose
from orchestrator.exercises.student_view import sealed
from orchestrator.formatting import printable
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.grading.work import Work
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.record import PANIC, Record, Status
from orchestrator.results.for_student import for_student
from orchestrator.submissions.model import Intake, Student

NOTHING_HANDED_IN = "nothing handed in"
UNCLEAR = "a submission may be this student's, and nobody could tell whose it is"
NOT_OURS = "this could not be graded; it is not the submission's fault and costs no points"
MEAN = "mean"

Recorded = Callable[[Work, str], Record]
"""The record of a work on a machine."""
Unstable = Mapping[tuple[int, str], tuple[str, ...]]
"""By the identity of a work and the machine: what was not the same when it was graded again, in words."""


def gradebook(
    lab: LoadedLab,
    intake: Intake,
    exercises: Sequence[LoadedExercise],
    machines: Sequence[str],
    works: Sequence[Work],
    recorded: Recorded,
    unstable: Unstable = MappingProxyType({}),
) -> Gradebook:
    """Return the grades of a class: ``works`` are all of its works on these exercises."""
    found = _Composition(lab, tuple(machines), recorded, unstable, {e.name: e for e in exercises}, works)
    grades = [grade for work in works for grade in found.grades(work)]
    there = {grade.student.id for grade in grades}
    grades += [
        _nothing(student, exercise, unclear=student in intake.unclear)
        for student in intake.students
        if student.id not in there
        for exercise in exercises
    ]
    names = tuple(exercise.name for exercise in exercises)
    rank = {name: place for place, name in enumerate(names)}
    grades.sort(key=lambda one: (one.student.id, rank[one.exercise], one.attempt))
    return Gradebook(lab, intake.students, names, tuple(machines), tuple(grades), intake.notes)


def settled(record: Record, most: float) -> Record:
    """Return the last record of work that had no result on any of its machines. Where the last one's kernel
    panicked, as this work ran alone on it, that is the program's doing: it ran, for no points."""
    if record.killed_for != PANIC:
        return record
    told = {**sealed(record), "reason": record.reason}
    return replace(record, status=Status.FAIL, points=0.0, max_points=most, student_view=told)


@dataclass(frozen=True)
class _Composition:
    """What the grades of a class are composed of; ``plain`` are the exercises with their parameters open."""

    lab: LoadedLab
    machines: tuple[str, ...]
    recorded: Recorded
    unstable: Unstable
    plain: Mapping[str, LoadedExercise]
    works: Sequence[Work]

    def grades(self, work: Work) -> Iterator[Grade]:
        """Yield the grade of each student whose work this is."""
        records = tuple(self.recorded(work, machine) for machine in self.machines)
        told = [(name, self.unstable.get((id(work), name), ())) for name in self.machines]
        differing = [f"on {name}: {words}" for name, several in told for words in several]
        about = work.submission
        for student in about.students:
            grade = Grade(
                student=student,
                exercise=work.exercise.name,
                verdict=Verdict.NO_RESULT,
                points=None,
                max_points=work.exercise.whole_spec.max_points,
                records=records,
                attempt=about.attempt,
                submitted=about.submitted,
                late=about.late,
                platform_id=about.platform_id,
                remarks=work.remarks,
                files=work.files,
                unstable=tuple(dict.fromkeys(differing)),
                copied_from=self._copied_from(work, records),
            )
            done = judged(grade, mean=self.lab.lab.across == MEAN)
            if work.missing and about.remarks:  # such as an archive that is none: why the file is not there
                done = replace(done, reason="\n".join([done.reason, *about.remarks]))
            yield done

    def _copied_from(self, work: Work, records: Sequence[Record]) -> tuple[str, ...]:
        """Return the ids of those whose parameters the work answers with."""
        if not work.values:
            return ()
        others = {other.who: other.values for other in self._like(work)}
        plain = self.plain[work.exercise.name]
        found = (who for one in records for who in whose(one.checks, plain, work.who, others))
        return tuple(dict.fromkeys(found))

    def _like(self, work: Work) -> Iterator[Work]:
        return (other for other in self.works if other.exercise.name == work.exercise.name)


def judged(grade: Grade, *, mean: bool) -> Grade:
    """Return the grade with verdict, points and reason by its records: those of the machine with the lowest
    share of points, or the ``mean`` of all shares."""
    ran = [record for record in grade.records if record.status is not Status.SKIP]
    if not ran or any(record.status is Status.ERROR for record in ran):
        return replace(grade, verdict=Verdict.NO_RESULT, points=None, reason=_no_result(grade, ran))
    best = max(record.max_points for record in ran)
    shares = [_share(record) for record in ran]
    lowest = ran[shares.index(min(shares))]
    share = sum(shares) / len(shares) if mean else min(shares)
    refused = all(not one.gradable for one in ran) if mean else not lowest.gradable
    return replace(
        grade,
        verdict=Verdict.NOT_GRADABLE if refused else Verdict.SCORED,
        points=round(share * best, 4),
        max_points=best,
        reason=_reason(lowest, ran),
    )


def _share(record: Record) -> float:
    if record.max_points:
        return record.points / record.max_points
    return 1.0 if record.status is Status.PASS else 0.0


def _reason(counted: Record, ran: Sequence[Record]) -> str:
    """Return why points are missing, as the student may read it, with the machine if others did better."""
    words = for_student(counted).reason
    if not words or all(_share(one) == _share(counted) for one in ran):
        return words
    return f"on {printable(counted.machine)}: {words}"


def _no_result(grade: Grade, ran: Sequence[Record]) -> str:
    if ran:
        return NOT_OURS
    words = dict.fromkeys(record.reason for record in grade.records)
    return f"{NOT_OURS}: it ran on no machine ({'; '.join(words)})"


def _nothing(student: Student, exercise: LoadedExercise, *, unclear: bool) -> Grade:
    points = exercise.whole_spec.max_points
    if unclear:
        return Grade(student, exercise.name, Verdict.NO_RESULT, None, points, UNCLEAR, unclear=True)
    return Grade(student, exercise.name, Verdict.NOT_GRADABLE, 0.0, points, NOTHING_HANDED_IN)
