"""Grade a class: what is missing or changed is graded on fresh machines, the rest is found on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import SpecError, Unavailable, Unreachable
from orchestrator.formatting import counted
from orchestrator.grading.about import About, read_about, write_about
from orchestrator.grading.compose import gradebook, settled
from orchestrator.grading.digests import digest_of_exercise
from orchestrator.grading.identity import identities_of
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.grading.model import Gradebook
from orchestrator.grading.queue import Same, Unit, alike, batches_of, distinct, groups_of, units_of
from orchestrator.grading.receipts import Graded
from orchestrator.grading.regrade import Change, changes, differing
from orchestrator.grading.selection import exercises_of, machines_of
from orchestrator.grading.store import GradeStore
from orchestrator.grading.tally import Tally
from orchestrator.grading.work import Work, WorkStore, works_of
from orchestrator.grading.worker import LOGS, WORKING, Graders, QuietMachines
from orchestrator.host.tempdirs import abandoned, remove
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.machines.journal import Journal
from orchestrator.paths import cache_dir, state_dir
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id, require_space
from orchestrator.run.context import RunContext, run_context
from orchestrator.run.gc import reclaim
from orchestrator.submissions.intake import WORKING as SUBMISSIONS
from orchestrator.submissions.model import Intake
from orchestrator.submissions.pseudonyms import pseudonyms

_COPIES = (f"{WORKING}-", f"{SUBMISSIONS}-")
"""How the names of working folders start that hold files of students."""
RETRIES = 2
"""How often work without a result is graded again, each time on a fresh machine."""


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
    ``results`` are the digests that receipts seal, by student's id, exercise and machine."""

    book: Gradebook
    graded: int
    found: int
    changes: tuple[Change, ...] = ()
    results: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)


def grade_class(lab: LoadedLab, intake: Intake, choice: Choice, out: Path, progress: Progress) -> Outcome:
    """Grade all submissions of a class into the folder ``out``.

    Raises SpecError for a choice that is not in the lab, Unavailable, ImageError, Interrupted. Verdicts that
    fell before an error or Ctrl-C are on disk and found again.
    """
    exercises = exercises_of(lab, choice.exercises)
    machines, left_out = machines_of(lab, choice.machines)
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
    return grade_works(lab, exercises, intake, works, some, out, progress)


def grade_works(
    lab: LoadedLab,
    exercises: Sequence[LoadedExercise],
    intake: Intake,
    works: Callable[[WorkStore, bytes], Sequence[Work]],
    choice: Choice,
    out: Path,
    progress: Progress,
) -> Outcome:
    """Grade these works on the chosen machines into the folder ``out``; ``works`` keeps their files in the
    store it is given; it also gets the course's secret. Raises as ``grade_class``."""
    out.mkdir(parents=True, exist_ok=True)
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
        whole = _Class(lab, tuple(exercises), choice.machines, found, store, kept, progress, names)
        return whole.grade(intake, choice)


@dataclass(frozen=True)
class _Class:
    """The works of a class and where their verdicts go; ``names`` are the students' pseudonyms."""

    lab: LoadedLab
    exercises: tuple[LoadedExercise, ...]
    machines: tuple[str, ...]
    works: tuple[Work, ...]
    store: GradeStore
    work_store: WorkStore
    progress: Progress
    names: Mapping[str, str]

    def grade(self, intake: Intake, choice: Choice) -> Outcome:
        """Grade what has no verdict yet, and return all grades."""
        before = dict(self.store.verdicts)
        shutil.rmtree(self.store.folder / LOGS, ignore_errors=True)  # of what gave no result last time
        _reclaim(self.progress)
        if choice.again:
            self.store.forget()
        about = About(str(self.lab.path.resolve()), self._behind(), finished=False)
        write_about(self.store.folder, about)
        units, todo = self._first_round()
        unstable = self._repeated(units, choice.repeat)
        self.store.finish(self._place(work, name) for work in self.works for name in self.machines)
        book = gradebook(
            self.lab, intake, self.exercises, self.machines, self.works, self._recorded, unstable
        )
        write_about(self.store.folder, replace(about, finished=True))
        after = {place: one for place, one in self.store.verdicts.items() if before.get(place) != one}
        found = len(distinct(units)) - len(todo)
        return Outcome(book, len(todo), found, tuple(changes(before, after)), self._results())

    def _results(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the digests that the receipts of a student's last attempt seal."""
        sealed = self.store.receipts.current
        found: dict[str, dict[str, dict[str, str]]] = {}
        for work in sorted(self.works, key=lambda one: one.submission.attempt):
            own = {name: sealed[self._place(work, name)].result for name in self.machines}
            for student in work.students:
                found.setdefault(student.id, {})[work.exercise.name] = own
        return found

    def _first_round(self) -> tuple[list[Unit], list[Unit]]:
        """Grade what is missing; returns all units, and those that were graded."""
        with self._context() as context:
            units = self._units(context)
            todo = distinct(unit for unit in units if self.store.find(unit.same) is None)
            copies = alike(units)
            for unit in units:
                if (record := self.store.find(unit.same)) is not None:
                    self._add(unit, record)
            lost = self._round(todo, copies, context) if todo else {}
        for attempt in range(2, RETRIES + 2):
            if not lost:
                break
            again = [unit for unit in todo if unit.same in lost]
            self.progress.tell(f"no result for {_named(again)}; attempt {attempt} on fresh machines")
            with self._context() as context:
                lost = self._round(again, copies, context, apart=True)
        for same, record in lost.items():
            for unit in copies[same]:
                self._add(unit, settled(record, unit.work.exercise.whole_spec.max_points))
        return units, todo

    def _round(
        self,
        todo: Sequence[Unit],
        copies: Mapping[Same, Sequence[Unit]],
        context: RunContext,
        *,
        apart: bool = False,
    ) -> dict[Same, Record]:
        """Grade these units once; returns the records of those without a result."""
        lost = {}
        tally = Tally({unit.same: self._called(unit) for unit in todo}, "verdicts", self.progress)
        for unit, record in self._records(todo, context, apart=apart):
            tally.count(unit.same)
            if record.status is Status.ERROR:
                lost[unit.same] = record
                continue
            for each in copies[unit.same]:
                self._add(each, record)
        tally.end()
        return lost

    def _records(
        self, todo: Sequence[Unit], context: RunContext, *, apart: bool = False
    ) -> Iterator[tuple[Unit, Record]]:
        groups = groups_of(self.lab, self.machines)
        graders = Graders(context, self.work_store, self.store.folder / LOGS, groups)
        wanted = {(unit.machine, unit.exercise, id(unit.work)): unit for unit in todo}
        batches = batches_of(todo, groups, new_run_id, apart=apart)
        with closing(graders.records(batches)) as found:
            for batch, record in found:
                work = next(unit.work for unit in batch.units if unit.exercise == record.exercise)
                unit = wanted.get((record.machine, record.exercise, id(work)))
                if unit is not None:  # else a peer in a group, whose verdict was there already
                    yield unit, record

    def _repeated(self, units: Sequence[Unit], times: int) -> dict[tuple[int, str], tuple[str, ...]]:
        """Grade these units ``times`` - 1 times more; returns what was not the same, by work and machine."""
        found: dict[Same, tuple[str, ...]] = {}
        todo, copies = distinct(units), alike(units)
        for number in range(2, times + 1):
            names = {unit.same: self._called(unit) for unit in todo}
            tally = Tally(names, f"verdicts of repetition {number}", self.progress)
            with self._context() as context:
                for unit, record in self._records(todo, context):
                    words = differing(self._recorded(unit.work, unit.machine), record)
                    found[unit.same] = (*found.get(unit.same, ()), *words)
                    tally.count(unit.same)
            tally.end()
        return {
            (id(unit.work), unit.machine): words for same, words in found.items() for unit in copies[same]
        }

    def _units(self, context: RunContext) -> list[Unit]:
        for name in self.machines:
            if lack := context.machines.shortfall.problem(name):
                raise Unavailable(
                    f"machine {name} cannot grade: {lack.message}",
                    hint=f"{lack.hint}; or leave the machine out with --only",
                )
        identities = identities_of(self.machines, new_run_id(), context.machines)
        digests = {exercise.name: digest_of_exercise(exercise) for exercise in self.exercises}
        return units_of(self.works, identities, digests)

    def _context(self) -> AbstractContextManager[RunContext]:
        quiet = QuietMachines(self.progress, frozenset(self.machines))
        logs = self.store.folder / LOGS
        return run_context(self.lab, new_run_id(), self.machines, logs, Journal(), quiet, cold=False)

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

    def _behind(self) -> dict[str, list[str]]:
        """Return the ids behind each pseudonym, those of earlier commands included."""
        before: dict[str, list[str]] = {}
        if self.store.verdicts:
            with suppress(SpecError):  # a damaged file is written anew
                before = read_about(self.store.folder).students
        return before | {self._who(work): [one.id for one in work.students] for work in self.works}


def _reclaim(progress: Progress) -> None:
    """Remove what a killed isolab left: its machines, which are told of, and its copies of submissions."""
    try:
        for gone in reclaim(Journal(), only_dead_owners=True):
            progress.tell(f"removed what an earlier run left behind: {gone}")
    except Unreachable as later:  # on a machine that grading may not need
        progress.tell(later.describe())
    for folder in abandoned():
        if folder.name.startswith(_COPIES):
            remove(folder)


def _named(units: Sequence[Unit]) -> str:
    """Return how many pieces of work these are, and the first by exercise and machine."""
    first = ", ".join(dict.fromkeys(f"{unit.exercise} on {unit.machine}" for unit in units[:3]))
    return f"{counted(len(units), 'piece')} of work ({first}{', …' if len(units) > 3 else ''})"
