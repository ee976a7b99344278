"""A run from beginning to end: packages, jobs, records, reports, and nothing left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.arch import host_arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import Exit, SpecError, Unreachable
from orchestrator.exercises.canaries.manager import Garden
from orchestrator.exercises.canaries.processes import canary_program
from orchestrator.exercises.canaries.visible_process import Canary
from orchestrator.exercises.submission import machines_for, with_work
from orchestrator.host.resources import this_host
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import arch_of, plan
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.machines import host_packages
from orchestrator.machines.journal import Ledger
from orchestrator.machines.networks import Wiring
from orchestrator.paths import cache_dir, scratch_dir
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.report import write_reports
from orchestrator.results.comparison import Table
from orchestrator.results.store import RunStore, new_run_id, require_space
from orchestrator.run.context import Workshop, make_image
from orchestrator.run.gc import reclaim
from orchestrator.run.job import run_job
from orchestrator.run.threads import MOST_THREADS, LocalEngine


@dataclass(frozen=True)
class Choice:
    """Which part of a lab to run (empty means all), whether to boot instead of clone, and the folder
    of a student whose work it is to run (None: the reference solutions)."""

    machines: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    cold: bool = False
    work: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    table: Table
    folder: Path

    @property
    def records(self) -> tuple[Record, ...]:
        """All of them, in table order."""
        return self.table.records()

    @property
    def exit_code(self) -> Exit:
        """3 when something of ours failed, else 1 when an exercise did, else 0."""
        statuses = {record.status for record in self.records}
        if Status.ERROR in statuses:
            return Exit.INFRASTRUCTURE
        return Exit.FAILED if Status.FAIL in statuses else Exit.PASSED


def run_lab(lab: LoadedLab, choice: Choice, out: Path | None, progress: Progress) -> Outcome:
    """Run a lab. Raises SpecError for a choice that is not in it, Unavailable, Interrupted.

    On Ctrl-C everything is torn down and the reports of what did finish are written before
    KeyboardInterrupt goes on.
    """
    require(choice.machines, list(lab.lab.machines), "machine")
    require(choice.exercises, [e.name for e in lab.exercises], "exercise")
    machines, left_out = machines_for(lab, choice.work, choice.machines)
    with with_work(lab, choice.work, choice.exercises) as (whole, whose):
        for words in [*whose, *left_out]:
            progress.tell(words)
        return _run_lab(whole, replace(choice, machines=machines), out, progress)


def _run_lab(lab: LoadedLab, choice: Choice, out: Path | None, progress: Progress) -> Outcome:
    run = new_run_id()
    ledger = Ledger()
    try:
        for gone in reclaim(ledger, only_dead_owners=True):
            progress.tell(f"removed what an earlier run left behind: {gone}")
    except Unreachable as later:  # on a machine this run need not have
        progress.tell(later.describe())
    require_space(cache_dir())
    announce(lab, choice, progress)
    with RunStore(out or Path("runs") / run, lab) as store:
        try:
            with closing(results(lab, run, choice, store.folder, ledger, progress)) as found:
                for record in found:
                    store.add(record)
        finally:
            table = store.comparison()
            write_reports(store.folder, table)
        return Outcome(table, store.folder)


def results(
    lab: LoadedLab, run: str, choice: Choice, out: Path, ledger: Ledger, progress: Progress
) -> Generator[Record, None, None]:
    """The records of a run as they are completed; closing it cancels and tears down.

    ``out`` is where machines leave their logs.
    """
    with workshop(lab, run, choice, out, ledger, progress) as shop:
        engine = LocalEngine(lambda job: run_job(job, shop), shop.cancel, lab.lab.at_once or MOST_THREADS)
        todo = plan_jobs(lab, run, machines=choice.machines, exercises=choice.exercises)
        with closing(engine.run(todo)) as found:
            yield from found


@contextmanager
def workshop(
    lab: LoadedLab, run: str, choice: Choice, out: Path, ledger: Ledger, progress: Progress
) -> Iterator[Workshop]:
    """What the jobs of a run share; setting its ``cancel`` interrupts them, as its end does."""
    cancel = threading.Event()
    cpus = len(os.sched_getaffinity(0))
    machines = [m for name, m in lab.lab.machines.items() if not choice.machines or name in choice.machines]
    known = {**recipes(), **lab.recipes}
    needs = host_packages.needs_of(machines)
    for wanted in machines:
        more = host_packages.image_needs(known[wanted.image], arch_of(wanted).name)
        needs += [need for need in more if need not in needs]
    # What images are verified with comes first; emulators install while images are made.
    first = [host_packages.GPGV, host_packages.KEYS]
    host_packages.ensure(first, progress, Deadline.never(cancel))
    with ThreadPoolExecutor(1) as background:
        installing: Future[None] = background.submit(
            host_packages.ensure, needs, progress, Deadline.never(cancel)
        )
        shop_canary = Canary(f"isolab-canary-{run}", lambda: make_image(shop, "micro", host_arch()).runner)
        archives = Archives(Deadline.never(cancel))
        garden = Garden(lambda: canary_program(archives, Deadline.never(cancel)))
        shop = Workshop(
            lab=lab,
            recipes=known,
            host=this_host().name,
            out=out,
            scratch=scratch_dir(),
            archives=archives,
            ledger=ledger,
            progress=progress,
            cancel=cancel,
            make_slots=threading.Semaphore(cpus + 1),
            boot_slots=threading.Semaphore(cpus),
            # A clone waits for its peer as much as it computes, and must not wait for a boot.
            clone_slots=threading.Semaphore(2 * cpus),
            packages=installing,
            canary=shop_canary,
            garden=garden,
            wiring=Wiring(lab.lab, ledger, scratch_dir(), out),
            cold=choice.cold,
        )
        try:
            yield shop
        finally:
            cancel.set()
            shop_canary.close()
            garden.close()


def announce(lab: LoadedLab, choice: Choice, progress: Progress) -> None:
    """Warn when the machines may need more memory than there is."""
    planned = plan(lab, this_host(), machines=choice.machines)
    if planned.short_by:
        progress.tell(
            f"warning: these machines may need {planned.memory // 2**20} MiB and the host has "
            f"{planned.host.memory // 2**20} MiB free; `isolab plan` shows more, --only runs fewer"
        )


def require(wanted: Sequence[str], known: Sequence[str], what: str) -> None:
    """Raises SpecError for a name that is not known."""
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
            raise SpecError(f"the lab has no {what} {name!r}", hint=hint)
