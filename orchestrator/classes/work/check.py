"""Check a student's work: the visible tests of one exercise, on fresh machines, as they are in grading.

The exercise that is built and run is a copy as students get it, so that nothing of hidden tests is in reach
of what a student wrote, of the compiler, or of a machine.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.model import LoadedClass, ScheduledLab, Seat
from orchestrator.classes.work.own_work import exercises_named, lab_of, place_of, work_of
from orchestrator.classes.work.start import exercise_folder
from orchestrator.classes.work.tested import CheckResult, MachineResult, TestResult
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.exercises.parameters import values, with_parameters
from orchestrator.exercises.submission import HandedIn, assembled, handed_in, machines_for_students
from orchestrator.formatting import bounded, printable
from orchestrator.grading.compose import MEAN, judged
from orchestrator.grading.hand_out import own_texts
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.grading.model import Grade, Verdict
from orchestrator.host.cache import digest, locked
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.copy_lab import copy_lab
from orchestrator.labfile.load import LoadedExercise, LoadedLab, load_exercise
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.machines.journal import Journal
from orchestrator.paths import state_dir
from orchestrator.progress import Progress
from orchestrator.record import CheckResult as RecordedCheck
from orchestrator.record import Record, Status
from orchestrator.results.for_student import output_for_people
from orchestrator.results.store import new_run_id
from orchestrator.run.context import RunContext, run_context
from orchestrator.run.job import run_job
from orchestrator.run.threads import MOST_THREADS, LocalEngine

AT_ONCE = max(1, len(os.sched_getaffinity(0)))
"""Checks at once in this process: each brings up all machines of its lab."""
SOON = 0.05
"""Seconds to find out whether a check of the same seat is running."""
TIMES = 2
"""How often a machine is tried that gives no result."""
MOST_SHOWN = 16_000
"""Characters of each text that a machine or compiler sent."""
WORKING = "checking"
"""Purpose of the working folders, which hold files of students."""

_slots = threading.BoundedSemaphore(AT_ONCE)


def check(
    found: LoadedClass,
    seat: Seat,
    lab_name: str,
    exercise: str,
    progress: Progress,
    cancellation: Cancellation,
) -> CheckResult:
    """Run the visible tests on a seat's work on one exercise, and record it among the class's activity.

    The files are taken from the first of the seat's machines that has the exercise's folder. One check for
    each seat runs at a time, and ``AT_ONCE`` in all; further ones wait.

    Raises SpecError for a lab or exercise that is not there, Unavailable (no machine of the seat is up, its
    check is running already, no machine can be had), TransportError, TimedOut, Interrupted.
    """
    lab = lab_of(found, lab_name)
    exercises = exercises_named(lab, [exercise])
    begun = time.monotonic()
    with _alone(found, seat), _slot(seat, progress, cancellation), working_folder(WORKING) as folder:
        checking = _Checking(found, seat, lab, exercises[0], folder, progress, cancellation)
        done = replace(checking.result(), seconds=round(time.monotonic() - begun, 2))
    name = exercise_folder(exercises[0])
    event = Event(seat.name, Kind.CHECKED, lab.name, name, done.summary, done.points, done.most)
    Activity(found).add(event)
    return done


@contextlib.contextmanager
def _alone(found: LoadedClass, seat: Seat) -> Iterator[None]:
    """Keep out other checks of the same seat, in whatever process."""
    with contextlib.ExitStack() as stack:
        key = digest(str(state_dir()), found.session(seat.name))
        try:
            stack.enter_context(locked("check", key, Deadline.after(SOON)))
        except TimedOut:
            raise Unavailable(
                f"a check of {seat.label} is running already", hint="wait for its result, then check again"
            ) from None
        yield


@contextlib.contextmanager
def _slot(seat: Seat, progress: Progress, cancellation: Cancellation) -> Iterator[None]:
    """Wait until fewer than ``AT_ONCE`` checks run."""
    if not _slots.acquire(blocking=False):
        progress.doing(seat.name, "waiting for checks of others to end")
        while not _slots.acquire(timeout=0.2):
            cancellation.check()
        progress.done(seat.name)
    try:
        yield
    finally:
        _slots.release()


@dataclass(frozen=True)
class _Checking:
    """One check, in a working ``folder``."""

    found: LoadedClass
    seat: Seat
    lab: ScheduledLab
    exercise: LoadedExercise
    folder: Path
    progress: Progress
    cancellation: Cancellation

    def result(self) -> CheckResult:
        visible = self._visible()
        (self.folder / "home").mkdir()
        machine, taken = work_of(
            self.found, self.seat, self.lab, [self.exercise], self.folder / "home", self._deadline()
        )
        others = [one.name for one in self.lab.lab.exercises if one.name != self.exercise.name]
        (files,) = handed_in(self.folder / "home", [visible], others)
        blank = CheckResult(
            seat=self.seat.name,
            lab=self.lab.name,
            exercise=exercise_folder(self.exercise),
            points=0.0,
            most=visible.spec.max_points,
            machine=machine.machine,
            files=tuple(sorted(files.files)),
            remarks=(*files.remarks, *taken.skipped),
        )
        if files.reason:
            where = f"they belong to {place_of(self.lab, self.exercise)} on {machine.machine}"
            return replace(blank, missing=f"{files.reason}\n{where}")
        records = self._records(visible, files)
        return self._judged(blank, [records[name] for name in self.lab.lab.lab.machines if name in records])

    def _deadline(self) -> Deadline:
        return self.cancellation.deadline()

    def _visible(self) -> LoadedExercise:
        """Return a copy of the exercise as this seat's students have it, without hidden tests."""
        copied, lab = self.folder / "lab", replace(self.lab.lab, exercises=(self.exercise,))
        copy_lab(lab, copied, for_students=True)
        who, course = self.seat.owner, course_key(signing_key(state_dir()))
        for file, text in list(own_texts(lab, copied, who, course)):
            file.write_text(text, encoding="utf-8")
        plain = load_exercise(copied / self.exercise.name, self.exercise.name)
        return with_parameters(plain, values(plain.spec, plain.name, who, course))

    def _records(self, visible: LoadedExercise, files: HandedIn) -> dict[str, Record]:
        """Return the records by machine, once more on fresh ones where there was no result."""
        ready = assembled(visible, files.files, self.folder / "ready")
        lab = replace(self.lab.lab, exercises=(ready,))
        left, told = machines_for_students(lab, ())
        for words in told:
            self.progress.tell(words)
        done: dict[str, Record] = {}
        for _ in range(TIMES):
            done |= {record.machine: record for record in self._run(lab, left)}
            left = tuple(name for name in left if name not in done or done[name].status is Status.ERROR)
            if not left:
                break
        return done

    def _run(self, lab: LoadedLab, machines: tuple[str, ...]) -> list[Record]:
        run, logs = new_run_id(), self.folder / "logs"
        with (
            run_context(lab, run, machines, logs, Journal(), self.progress, cold=False) as context,
            _linked(self.cancellation, context),
        ):
            most = lab.lab.at_once or MOST_THREADS
            engine = LocalEngine(lambda job: run_job(job, context), context.cancellation, most)
            with contextlib.closing(engine.run(plan_jobs(lab, run, machines=machines))) as records:
                found = list(records)
            self.cancellation.check()
            return found

    def _judged(self, blank: CheckResult, records: Sequence[Record]) -> CheckResult:
        mean = self.lab.lab.lab.across == MEAN
        whose = self.seat.members[0].student
        grade = Grade(whose, blank.exercise, Verdict.NO_RESULT, None, blank.most, records=tuple(records))
        verdict = judged(grade, mean=mean)
        shown = tuple(_shown(record, self.exercise) for record in records)
        return replace(blank, points=verdict.points, most=verdict.max_points, machines=shown)


@contextlib.contextmanager
def _linked(cancellation: Cancellation, context: RunContext) -> Iterator[None]:
    """Let the cancellation of whoever asked cancel a run."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            if cancellation.cancelled:
                context.cancellation.cancel()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _shown(record: Record, exercise: LoadedExercise) -> MachineResult:
    return MachineResult(
        machine=record.machine,
        status=record.status.value,
        points=record.points,
        most=record.max_points,
        reason=_text(record.reason),
        tests=tuple(_test(one, exercise) for one in record.checks),
        output=_text(output_for_people(record)),
        warnings=_text(record.warnings),
    )


def _test(one: RecordedCheck, exercise: LoadedExercise) -> TestResult:
    name = exercise.spec.shows.get(one.that, one.that)
    got, expected, why = (_text(words) for words in (one.got, one.expected, one.why))
    return TestResult(_text(name), one.held, got, expected, why, one.points, one.max_points)


def _text(words: str) -> str:
    return bounded(printable(words, keep="\n\t"), MOST_SHOWN)
