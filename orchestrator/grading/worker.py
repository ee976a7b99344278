"""Grade batches of work on fresh machines of this host: the jobs of a class, on the engine that runs labs."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from orchestrator.errors import Unavailable
from orchestrator.grading.graders import Kinds, Task
from orchestrator.grading.identity import identities_of
from orchestrator.grading.leftovers import GRADING
from orchestrator.grading.queue import Batch, groups_of
from orchestrator.grading.work import ready
from orchestrator.host.resources import Host, this_host
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job, plan
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id
from orchestrator.run.context import RunContext, run_context
from orchestrator.run.job import run_job
from orchestrator.run.threads import MOST_THREADS, LocalEngine

LOGS = "logs"
"""Folder of console logs of machines that gave no result, in the folder of grades."""
AT_ONCE_PER_CPU = 2
"""Machines at once for each processor: while one waits, another computes."""


@contextlib.contextmanager
def on_this_host(task: Task) -> Iterator[LocalGraders]:
    """Provide what grades on this host."""
    quiet = QuietMachines(task.progress, frozenset(task.machines))
    with run_context(
        task.lab, new_run_id(), task.machines, task.logs, Journal(), quiet, cold=False
    ) as context:
        yield LocalGraders(task, context)


@dataclass(frozen=True)
class LocalGraders:
    """Grades batches on this host; ``context`` is what its machines share."""

    task: Task
    context: RunContext
    away: frozenset[str] = frozenset()

    def kinds(self) -> Kinds:
        """Return what each machine is here. Raises Unavailable for one that cannot be here, ImageError,
        TimedOut, Interrupted."""
        machines = self.context.machines
        for name in self.task.machines:
            if lack := machines.shortfall.problem(name):
                raise Unavailable(
                    f"machine {name} cannot grade: {lack.message}",
                    hint=f"{lack.hint}; or leave the machine out with --only",
                )
        found = identities_of(self.task.machines, new_run_id(), machines)
        return {name: {self.context.host: identity} for name, identity in found.items()}

    def records(self, batches: Sequence[Batch]) -> Generator[tuple[Batch, Record], None, None]:
        """Yield each record with its batch, as completed; closing the iterator tears everything down."""
        lab = self.context.lab
        by_run = {batch.run: batch for batch in batches}
        groups = groups_of(lab, self.task.machines)
        jobs = [job for batch in batches for job in batch.jobs(lab.lab.lab, groups)]
        most = at_once(lab, [name for batch in batches for name in batch.machines], this_host())
        engine = LocalEngine(lambda job: self._graded(job, by_run[job.run]), self.context.cancellation, most)
        with closing(engine.run(jobs)) as found:
            for record in found:
                yield by_run[record.run], record

    def _graded(self, job: Job, batch: Batch) -> Iterator[Record]:
        logs, clean = self.task.logs / job.run / job.machine, True
        with working_folder(GRADING) as folder:
            units = [unit for unit in batch.units if unit.exercise in job.exercises]
            works = {unit.exercise: unit.work for unit in units}
            with ready(tuple(works.values()), self.task.store, folder / "exercises") as exercises:
                lab = replace(self.context.lab, exercises=exercises)
                machines = replace(self.context.machines, lab=lab, out=logs.parent)
                for record in run_job(job, replace(self.context, machines=machines)):
                    clean = clean and record.status is not Status.ERROR
                    yield record
        if clean:
            shutil.rmtree(logs, ignore_errors=True)
            with contextlib.suppress(OSError):  # others of this run, or of others, have theirs there
                logs.parent.rmdir()
                self.task.logs.rmdir()
            with contextlib.suppress(OSError):
                logs.parent.rmdir()  # of the batch's last machine


def at_once(lab: LoadedLab, machines: Sequence[str], host: Host) -> int:
    """Return how many of these machines may be up at a time: what the lab says, else what processors and
    free memory allow."""
    if lab.lab.at_once:
        return lab.lab.at_once
    largest = max((one.memory for one in plan(lab, host, machines=sorted({*machines})).machines), default=0)
    room = host.memory // largest if largest else MOST_THREADS
    return max(1, min(AT_ONCE_PER_CPU * host.cpus, room, MOST_THREADS))


@dataclass(frozen=True)
class QuietMachines:
    """Progress of many clones of the same ``machines`` at once: what they do one by one is not shown, what
    the user must know is, once."""

    shown: Progress
    machines: frozenset[str]
    told: set[str] = field(default_factory=set)

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        """Show what is made for all of them, but not what one of them does."""
        if who not in self.machines or "template" in what:
            self.shown.doing(who, what, expected)

    def done(self, who: str, what: str = "") -> None:
        self.shown.done(who, what)

    def tell(self, text: str) -> None:
        if text not in self.told:
            self.told.add(text)
            self.shown.tell(text)
