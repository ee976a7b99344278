"""Grade a class: what is missing or changed is graded on fresh machines, the rest is found on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.exercises.submission import machines_for_students
from orchestrator.grading.about import ABOUT, About, otherwise, read_about, write_about
from orchestrator.grading.compose import gradebook
from orchestrator.grading.digests import digest_of_exercise
from orchestrator.grading.graders import Kinds, Task, Where
from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.grading.leftovers import remove_leftovers
from orchestrator.grading.model import Gradebook
from orchestrator.grading.out_folder import make_out_folder
from orchestrator.grading.queue import Unit, alike, distinct, units_of
from orchestrator.grading.receipts import Graded
from orchestrator.grading.regrade import Change, changes
from orchestrator.grading.rounds import Rounds
from orchestrator.grading.selection import exercises_of
from orchestrator.grading.store import GradeStore
from orchestrator.grading.work import Work, WorkStore, works_of
from orchestrator.grading.worker import LOGS, on_this_host
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.paths import cache_dir, state_dir
from orchestrator.progress import Progress
from orchestrator.record import Record
from orchestrator.results.store import require_space
from orchestrator.submissions.model import Intake
from orchestrator.submissions.pseudonyms import pseudonyms


@dataclass(frozen=True)
class Choice:
    """What to grade of a lab (empty means all): machines and exercises by name. ``again``: also what has a
    verdict. ``repeat``: how often each piece of work is graded in all, to find what differs."""

    machines: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    again: bool = False
    repeat: int = 1


@dataclass(frozen=True)
class Outcome:
    """The grades of a class. ``graded`` verdicts fell now and ``found`` were on disk, not counting copies of
    the same work; ``changes`` are of those that were graded before with something else or ``again``.
    ``results`` are the digests that receipts seal, by student's id, exercise and machine. ``by_policy`` are
    changes of points that another policy alone makes; whoever applies it says so."""

    book: Gradebook
    graded: int
    found: int
    changes: tuple[Change, ...] = ()
    results: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    by_policy: tuple[Change, ...] = ()


def grade_class(
    lab: LoadedLab,
    intake: Intake,
    choice: Choice,
    out: Path,
    progress: Progress,
    where: Where = on_this_host,
) -> Outcome:
    """Grade all submissions of a class into the folder ``out``; who writes the grades marks it as finished.

    Raises SpecError for a choice that is not in the lab, Unavailable, ImageError, Interrupted. Verdicts that
    fell before an error or Ctrl-C are on disk and found again.
    """
    exercises = exercises_of(lab, choice.exercises)
    machines, left_out = machines_for_students(lab, choice.machines)
    for words in left_out:
        progress.tell(words)

    def works(store: WorkStore, course: bytes) -> list[Work]:
        found: list[Work] = []
        for one in intake.submissions:
            mine = [each for each in exercises if one.about is None or each.name in one.about]
            others = [each.name for each in lab.exercises if each not in mine]
            found += works_of(one, mine, others, course, store)
        return found

    some = replace(choice, machines=machines)
    return grade_works(lab, exercises, intake, works, some, out, progress, where)


def grade_works(
    lab: LoadedLab,
    exercises: Sequence[LoadedExercise],
    intake: Intake,
    works: Callable[[WorkStore, bytes], Sequence[Work]],
    choice: Choice,
    out: Path,
    progress: Progress,
    where: Where = on_this_host,
) -> Outcome:
    """Grade these works on the chosen machines into the folder ``out``; ``works`` keeps their files in the
    store it is given; it also gets the course's secret. Raises as ``grade_class``."""
    make_out_folder(out)
    require_space(out)
    require_space(cache_dir())
    key = signing_key(state_dir())
    with GradeStore(out, key) as store:
        if store.receipts.dropped:
            progress.tell(store.receipts.dropped)
        kept = WorkStore(out)
        course = course_key(key)
        found = tuple(works(kept, course))
        everybody = {one.id for one in (*intake.students, *(who for work in found for who in work.students))}
        names = pseudonyms(everybody, course)
        whole = _Class(lab, tuple(exercises), choice.machines, found, store, kept, progress, names, where)
        return whole.grade(intake, choice)


@dataclass(frozen=True)
class _Class:
    """The works of a class, where they are graded, and where their verdicts go; ``names`` are the students'
    pseudonyms."""

    lab: LoadedLab
    exercises: tuple[LoadedExercise, ...]
    machines: tuple[str, ...]
    works: tuple[Work, ...]
    store: GradeStore
    work_store: WorkStore
    progress: Progress
    names: Mapping[str, str]
    where: Where

    def grade(self, intake: Intake, choice: Choice) -> Outcome:
        """Grade what has no verdict yet, and return all grades."""
        before = dict(self.store.verdicts)
        logs = self.store.folder / LOGS
        shutil.rmtree(logs, ignore_errors=True)  # of what gave no result last time
        remove_leftovers(self.progress)
        if choice.again:
            self.store.forget()
        self._begin(intake)
        task = Task(self.lab, self.exercises, self.machines, self.work_store, logs, self.progress)
        rounds = Rounds(task, self.where, self._called, self._add)
        units, todo = self._graded(rounds)
        unstable = rounds.repeated(units, choice.repeat, lambda unit: self._recorded(unit.work, unit.machine))
        self.store.finish(self._place(work, name) for work in self.works for name in self.machines)
        book = gradebook(
            self.lab, intake, self.exercises, self.machines, self.works, self._recorded, unstable
        )
        after = {place: one for place, one in self.store.verdicts.items() if before.get(place) != one}
        found = len(distinct(units)) - len(todo)
        return Outcome(book, len(todo), found, tuple(changes(before, after)), self._results())

    def _begin(self, intake: Intake) -> None:
        """Note what is graded, and say what is not as it was in this folder."""
        before = About("", {})
        if (self.store.folder / ABOUT).exists():
            with suppress(SpecError):  # a damaged file is written anew
                before = read_about(self.store.folder)
        chosen = {
            "exercises": ", ".join(one.name for one in self.exercises),
            "machines": ", ".join(self.machines),
            "roster": intake.roster or "none",
        }
        lab = str(self.lab.path.resolve())
        for line in otherwise({"lab": before.lab or lab, **before.chosen}, {"lab": lab, **chosen}):
            self.progress.tell(line)
        students = self._behind(before.students)
        about = About(lab, students, finished=False, chosen=chosen, policy=before.policy)
        write_about(self.store.folder, about)

    def _results(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the digests that the receipts of a student's last attempt seal."""
        sealed = self.store.receipts.current
        found: dict[str, dict[str, dict[str, str]]] = {}
        for work in sorted(self.works, key=lambda one: one.submission.attempt):
            own = {name: sealed[self._place(work, name)].result for name in self.machines}
            for student in work.students:
                found.setdefault(student.id, {})[work.exercise.name] = own
        return found

    def _graded(self, rounds: Rounds) -> tuple[list[Unit], list[Unit]]:
        """Grade what is missing; returns all units, and those that were graded."""
        with rounds.graders() as graders:
            kinds = graders.kinds()
            rounds = replace(rounds, fell=partial(self._fell, kinds))
            units = self._units(kinds, graders.away)
            todo = distinct(unit for unit in units if self.store.find(unit.same) is None)
            copies = alike(units)
            for unit in units:
                if (record := self.store.find(unit.same)) is not None:
                    self._add(unit, record)
            lost = rounds.once(todo, copies, graders) if todo else {}
        rounds.again(todo, copies, lost)
        return units, todo

    def _units(self, kinds: Kinds, away: Collection[str]) -> list[Unit]:
        """Return what is to be graded, with the machine that gave the verdict where there is one: one of
        those of now, or one of a host that is ``away``, of which nobody knows that it has changed."""
        first = {name: next(iter(kinds[name].values())) for name in self.machines}
        digests = {exercise.name: digest_of_exercise(exercise) for exercise in self.exercises}
        before = self.store.identities(away)
        others = {
            name: [
                *kinds[name].values(),
                *(one for one in before.get(name, ()) if one.entry == first[name].entry),
            ]
            for name in self.machines
        }
        return [self._found(unit, others[unit.machine]) for unit in units_of(self.works, first, digests)]

    def _found(self, unit: Unit, identities: Sequence[MachineIdentity]) -> Unit:
        """Return the unit as it was graded on one of these machines, or as it is if it was on none."""
        if len(identities) == 1:
            return unit
        graded = (unit.on(one) for one in identities)
        return next((one for one in graded if self.store.find(one.same) is not None), unit)

    def _fell(self, kinds: Kinds, unit: Unit, record: Record) -> None:
        """Add a verdict, with the machine of the host that graded it; without one where no host did."""
        self._add(unit.on(kinds[unit.machine].get(record.host, MachineIdentity(""))), record)

    def _add(self, unit: Unit, record: Record) -> None:
        self.store.add(self._place(unit.work, unit.machine), unit, record)

    def _recorded(self, work: Work, machine: str) -> Record:
        return self.store.verdicts[self._place(work, machine)].record

    def _place(self, work: Work, machine: str) -> Graded:
        return Graded(self._who(work), work.exercise.name, machine, work.submission.attempt)

    def _who(self, work: Work) -> str:
        return "+".join(self.names[student.id] for student in work.students)

    def _called(self, unit: Unit) -> str:
        return f"{unit.exercise} of {self._who(unit.work)} on {unit.machine}"

    def _behind(self, before: dict[str, list[str]]) -> dict[str, list[str]]:
        """Return the ids behind each pseudonym, those of earlier commands included."""
        return (before if self.store.verdicts else {}) | {
            self._who(work): [one.id for one in work.students] for work in self.works
        }
