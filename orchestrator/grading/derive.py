"""Derive verdicts again from what was kept: the same files, the lab as it is now, fresh machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.exercises.parameters import values, with_parameters
from orchestrator.formatting import printable
from orchestrator.grading.about import About, read_about
from orchestrator.grading.differences import differences, same_verdict
from orchestrator.grading.grade import Choice, grade_works
from orchestrator.grading.graders import Where
from orchestrator.grading.leftovers import DERIVING
from orchestrator.grading.receipts import RECEIPTS, Graded, read
from orchestrator.grading.selection import exercises_of
from orchestrator.grading.store import Verdicted, sealed_verdicts
from orchestrator.grading.work import Work, WorkStore
from orchestrator.grading.worker import on_this_host
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.progress import Progress
from orchestrator.record import Record
from orchestrator.submissions.model import Intake, Student, Submission

NO_FILES = "its files were missing or refused, so no program ran"
NO_EXERCISE = "the lab no longer has this exercise"


@dataclass(frozen=True)
class Derived:
    """A verdict that was derived again. ``same``: it has the same points for the same reasons; ``words`` say
    what differs, or why it was not derived."""

    graded: Graded
    same: bool
    words: tuple[str, ...] = ()


def derive(
    folder: Path, student: str, lab: LoadedLab, progress: Progress, where: Where = on_this_host
) -> list[Derived]:
    """Grade again what a student handed in, alone or in a team; nothing in ``folder`` changes.

    Raises SpecError if nobody of that id was graded there, or the files were changed; as ``grade_class``.
    """
    about = read_about(folder)
    who = about.pseudonyms_of(student)
    kept = {place: one for place, one in _verdicts(folder).items() if place.student in who}
    if not kept:
        raise SpecError(
            f"no verdict of student {printable(student)} in {folder}",
            hint="--student takes an id as in grades.csv, or a pseudonym as in records.jsonl",
        )
    exercises = {one.name: one for one in exercises_of(lab, ())}
    machines = tuple(name for name in lab.lab.machines if any(place.machine == name for place in kept))
    source = WorkStore(folder)

    def works(store: WorkStore, course: bytes) -> list[Work]:
        return list(_works(kept, about, exercises, source, store, course))

    with working_folder(DERIVING) as work:
        some = tuple(exercises.values())
        done = grade_works(lab, some, Intake("", ()), works, Choice(machines), work, progress, where)
        new = {(g.attempt, r.exercise, r.machine): r for g in done.book.grades for r in g.records}
        return [_compared(place, one, exercises, new) for place, one in sorted(kept.items())]


def _verdicts(folder: Path) -> dict[Graded, Verdicted]:
    """Return what can be read; verifying tells of what cannot."""
    path = folder / RECEIPTS
    current = read(path.read_bytes()).current if path.exists() else {}
    return sealed_verdicts(folder, {place: line.receipt for place, line in current.items()})


def _works(
    kept: Mapping[Graded, Verdicted],
    about: About,
    exercises: Mapping[str, LoadedExercise],
    source: WorkStore,
    store: WorkStore,
    course: bytes,
) -> Iterator[Work]:
    """Yield each work once, with its files as they were kept."""
    seen = set()
    for place, one in kept.items():
        ids = tuple(Student(name) for name in about.students[place.student])
        key = (place.student, place.exercise, place.attempt)
        if key in seen or place.exercise not in exercises or not source.place(one.inputs.submission).is_dir():
            continue
        seen.add(key)
        files = source.read(one.inputs.submission)
        plain = exercises[place.exercise]
        own = values(plain.spec, plain.name, min(student.id for student in ids), course)
        who = Submission(ids, Path(), place.student, attempt=place.attempt)
        yield Work(who, with_parameters(plain, own), store.keep(files), {}, values=own)


def _compared(
    place: Graded,
    old: Verdicted,
    exercises: Mapping[str, LoadedExercise],
    new: Mapping[tuple[int, str, str], Record],
) -> Derived:
    found = new.get((place.attempt, place.exercise, place.machine))
    if found is None:
        return Derived(place, True, (NO_FILES if place.exercise in exercises else NO_EXERCISE,))
    return Derived(place, same_verdict(old.record, found), differences(old.record, found))
