"""Grade a lab's own solutions: the reference solution and its alternatives get all points, and each wrong
solution loses what its mistake is worth. What this finds is a fault of the exercise."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.exercises.parameters import example, with_parameters
from orchestrator.exercises.submission import provided
from orchestrator.grading.grade import Choice, grade_works
from orchestrator.grading.graders import Where
from orchestrator.grading.leftovers import TESTING
from orchestrator.grading.model import Grade, Verdict
from orchestrator.grading.selection import exercises_of
from orchestrator.grading.work import Work, WorkStore
from orchestrator.grading.worker import on_this_host
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.check_submission import ALTERNATIVES, SOLUTION, WRONG
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.submissions.model import Intake, Student, Submission


@dataclass(frozen=True)
class Finding:
    """How one of a lab's own solutions fared. ``place`` is its folder in the exercise's; ``missed`` are the
    checks it lost points in; ``fault`` says what is wrong with that, "" if nothing is."""

    exercise: str
    place: str
    points: float | None
    max_points: float
    missed: tuple[str, ...]
    fault: str

    @property
    def right(self) -> bool:
        """Whether the solution is meant to get all points."""
        return not self.place.startswith(f"{WRONG}/")


def self_test(
    lab: LoadedLab, choice: Choice, progress: Progress, where: Where = on_this_host
) -> list[Finding]:
    """Grade all solutions of the lab's exercises for students, in their order. Raises as ``grade_class``."""
    exercises = exercises_of(lab, choice.exercises)
    machines = choice.machines or tuple(lab.lab.machines)
    own = {exercise.name: exercise for exercise in exercises}
    places = [(exercise, place) for exercise in exercises for place in solutions_of(exercise)]

    def works(store: WorkStore, _course: bytes) -> list[Work]:
        return [_work(exercise, place, store) for exercise, place in places]

    with working_folder(TESTING) as folder:
        some = Choice(machines, choice.exercises)
        outcome = grade_works(lab, exercises, Intake("solutions", ()), works, some, folder, progress, where)
    return [_finding(grade, own[grade.exercise]) for grade in _in_order(outcome.book.grades, places)]


def solutions_of(exercise: LoadedExercise) -> Iterator[str]:
    """Yield the folders of an exercise's solutions: the reference, its alternatives, the wrong ones."""
    if (exercise.folder / SOLUTION).is_dir():
        yield SOLUTION
    for kind in (ALTERNATIVES, WRONG):
        for path in sorted((exercise.folder / kind).glob("*/")):
            yield f"{kind}/{path.name}"


def _work(exercise: LoadedExercise, place: str, store: WorkStore) -> Work:
    files = provided(exercise, place)
    who = Submission((Student(place),), Path(), f"{exercise.name}/{place}")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    own = example(exercise)
    return Work(who, with_parameters(exercise, own), store.keep(files), digests, values=own)


def _in_order(grades: Sequence[Grade], places: Sequence[tuple[LoadedExercise, str]]) -> Iterator[Grade]:
    found = {(grade.exercise, grade.student.id): grade for grade in grades}
    yield from (found[exercise.name, place] for exercise, place in places)


def _finding(grade: Grade, exercise: LoadedExercise) -> Finding:
    missed = tuple(
        dict.fromkeys(one.that for record in grade.records for one in record.checks if not one.held)
    )
    place = grade.student.id
    fault = _fault_of_wrong(grade, exercise) if place.startswith(f"{WRONG}/") else _fault_of_right(grade)
    return Finding(grade.exercise, place, grade.points, grade.max_points, missed, fault)


def _fault_of_right(grade: Grade) -> str:
    if grade.verdict is Verdict.SCORED and grade.points == grade.max_points:
        return ""
    lost = [record for record in grade.records if record.status not in (Status.PASS, Status.SKIP)]
    return "; ".join(f"{one.machine}: {one.reason.partition(chr(10))[0]}" for one in lost) or str(
        grade.verdict
    )


def _fault_of_wrong(grade: Grade, exercise: LoadedExercise) -> str:
    if grade.verdict is not Verdict.SCORED:
        return f"{grade.verdict}: {grade.reason.partition(chr(10))[0]}"
    ran = [record for record in grade.records if record.status is not Status.SKIP]
    if full := [record.machine for record in ran if record.points >= record.max_points]:
        return f"gets all points on {', '.join(full)}"
    listed = exercise.hidden.wrong.get(grade.student.id.partition("/")[2], []) if exercise.hidden else []
    kept = [name for name in listed if not any(_missed(record, name) for record in ran)]
    return f"does not miss {', '.join(kept)}, which hidden.yaml says it does" if kept else ""


def _missed(record: Record, name: str) -> bool:
    return any(one.that == name and not one.held for one in record.checks)
