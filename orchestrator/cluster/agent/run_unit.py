"""Run a unit's jobs the way ``isolab run`` does: images, programs, machines, exercises, records."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.arch import host_arch
from orchestrator.cluster.agent.running_unit import RunningUnit
from orchestrator.cluster.model import Unit
from orchestrator.errors import HostLacks, Interrupted, LabError, from_os
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines.journal import Journal
from orchestrator.record import Record, Status
from orchestrator.run.context import RunContext, run_context
from orchestrator.run.job import run_job
from orchestrator.run.threads import MOST_THREADS, LocalEngine
from orchestrator.run.unstarted import skipped, unstarted_record

PROGRAMS = "graded-"
"""Begins the kind of a cache that is one run's alone: programs of students, and of hidden tests."""


def programs_of(run: str) -> str:
    """Return the kind of the cache that has the programs of a run of grading, and goes with it."""
    return f"{PROGRAMS}{run}"


@dataclass(frozen=True)
class Slots:
    """What all units of a host share: how many machines boot, clones rise and things are built at a time."""

    boots: AbstractContextManager[object] = field(default_factory=lambda: threading.Semaphore(_cpus()))
    clones: AbstractContextManager[object] = field(default_factory=lambda: threading.Semaphore(2 * _cpus()))
    makes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_cpus() + 1))


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class _Words:
    """Progress of a unit: what people must know is a line of it; the rest would only fill the disk."""

    running: RunningUnit

    def doing(self, who: str, what: str, expected: float = 0.0) -> None: ...

    def done(self, who: str, what: str = "") -> None: ...

    def tell(self, text: str) -> None:
        self.running.say(text)


def run_unit(running: RunningUnit, lab: LoadedLab, logs: Path, slots: Slots) -> str:
    """Run a unit to its end; its machines' logs go to ``logs``. Returns why it did not get through, "" if it
    did. When it returns, nothing of its machines is left that could be removed."""
    names = tuple(job.machine for job in running.unit.jobs)
    if running.unit.work:
        logs = logs / running.unit.jobs[0].run  # those of others of this run have machines of the same names
    if unknown := [name for name in names if name not in lab.lab.machines]:
        return f"the lab {lab.lab.lab!r} of this bundle has no machine {unknown[0]!r}"
    try:
        _run(running, lab, names, logs, slots)
    except Interrupted:
        return running.stopped or "interrupted"
    except HostLacks as lack:
        for record in _skipped(running, lab, lack):
            running.record(record)
    except LabError as problem:
        return problem.describe()
    except OSError as problem:
        return from_os(problem).describe()
    return running.stopped


def _run(running: RunningUnit, lab: LoadedLab, names: tuple[str, ...], logs: Path, slots: Slots) -> None:
    unit, progress = running.unit, _Words(running)
    with (
        _with_work(lab, unit) as whole,
        run_context(whole, unit.run, names, logs, Journal(), progress, cold=unit.cold) as own,
    ):
        running.begun(own.cancellation)
        own.cancellation.check()
        context = _shared(own, running.host, slots)
        most = lab.lab.at_once or MOST_THREADS
        engine = LocalEngine(lambda job: run_job(job, context), context.cancellation, most)
        clean = True
        with closing(engine.run(unit.jobs)) as found:
            for record in found:
                clean = clean and record.status is not Status.ERROR
                running.record(record)
    if unit.work and clean:
        shutil.rmtree(logs, ignore_errors=True)  # nobody asks for those of a verdict


@contextlib.contextmanager
def _with_work(lab: LoadedLab, unit: Unit) -> Iterator[LoadedLab]:
    """Provide the lab with the students' work that a unit brought, if it did."""
    if not unit.work:
        yield lab
        return
    from orchestrator.grading.parcel import with_parcel  # not for who only runs labs

    with with_parcel(lab, unit.work, programs_of(unit.run)) as whole:
        yield whole


def _shared(own: RunContext, host: str, slots: Slots) -> RunContext:
    """Return a unit's context with the limits of the whole host instead of its own."""
    machines = replace(own.machines.machines, boot_slots=slots.boots, clone_slots=slots.clones)
    return replace(own, machines=replace(own.machines, machines=machines, make_slots=slots.makes), host=host)


def _skipped(running: RunningUnit, lab: LoadedLab, lack: HostLacks) -> Iterator[Record]:
    """Yield the records of machines for all of which this host lacks something."""
    known = {exercise.name for exercise in lab.exercises}
    for job in running.unit.jobs:
        blank = unstarted_record(lab, job, running.host, host_arch())
        yield from skipped([name for name in job.exercises if name in known], blank, lack)
