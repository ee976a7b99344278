"""Run a lab from start to finish: packages, jobs, records, reports, teardown."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import Exit, SpecError
from orchestrator.exercises.submission import machines_for_students, with_work
from orchestrator.host.resources import this_host
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.labfile.plan import plan
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.machines.journal import Journal
from orchestrator.machines.shortfall import all_lack
from orchestrator.paths import cache_dir
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.report import write_reports
from orchestrator.results.comparison import Table
from orchestrator.results.store import RunStore, new_run_id, require_space
from orchestrator.run.context import run_context
from orchestrator.run.gc import reclaim_killed
from orchestrator.run.job import run_job
from orchestrator.run.threads import MOST_THREADS, LocalEngine


@dataclass(frozen=True)
class Selection:
    """What to run of a lab (empty means all), whether to boot instead of clone, the folder of a student's
    work to run (None: the reference solutions), and whether to thaw frozen emulators, which all have one
    layout, rather than clone."""

    machines: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    cold: bool = False
    work: Path | None = None
    thaw: bool = False


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run."""

    table: Table
    folder: Path

    @property
    def records(self) -> tuple[Record, ...]:
        """All records, in table order."""
        return self.table.records()

    @property
    def exit_code(self) -> Exit:
        """3 on an infrastructure error or if this host lacks something for every machine, else 1 if an
        exercise failed, else 0."""
        statuses = {record.status for record in self.records}
        if Status.ERROR in statuses or all_lack(self.records):
            return Exit.INFRASTRUCTURE
        return Exit.FAILED if Status.FAIL in statuses else Exit.PASSED


Source = Callable[[LoadedLab, str, Selection, Path, Journal, Progress], Generator[Record, None, None]]
"""Where the records of a run come from: see ``results``."""


def run_lab(
    lab: LoadedLab, choice: Selection, out: Path | None, progress: Progress, source: Source | None = None
) -> RunOutcome:
    """Run a lab; its records come from machines of this host, or from another ``source``.

    Raises SpecError for a selection that is not in it, Unavailable, Interrupted.

    On Ctrl-C everything is torn down and reports of what finished are written before
    KeyboardInterrupt propagates.
    """
    require(choice.machines, list(lab.lab.machines), "machine")
    require(choice.exercises, [e.name for e in lab.exercises], "exercise")
    some = choice.machines
    machines, left_out = machines_for_students(lab, some) if choice.work else (some, [])
    with with_work(lab, choice.work, choice.exercises) as (whole, whose):
        for words in [*whose, *left_out]:
            progress.tell(words)
        return _run_lab(whole, replace(choice, machines=machines), out, progress, source or on_this_host)


def _run_lab(
    lab: LoadedLab, choice: Selection, out: Path | None, progress: Progress, source: Source
) -> RunOutcome:
    run = new_run_id()
    journal = Journal()
    reclaim_killed(journal, progress)
    require_space(cache_dir())
    with RunStore(out or Path("runs") / run, lab) as store:
        if store.replaced:
            progress.tell(f"replacing the finished run in {store.folder}")
        todo = plan_jobs(lab, run, machines=choice.machines, exercises=choice.exercises)
        store.expect({job.machine: job.exercises for job in todo})
        try:
            with closing(source(lab, run, choice, store.folder, journal, progress)) as found:
                for record in found:
                    store.add(record)
            store.finished()
        except BaseException:
            store.interrupted()
            progress.tell(f"incomplete run: the reports in {store.folder} say what is missing")
            raise
        finally:
            table = store.comparison()
            write_reports(store.folder, table)
        return RunOutcome(table, store.folder)


def on_this_host(
    lab: LoadedLab, run: str, choice: Selection, out: Path, journal: Journal, progress: Progress
) -> Generator[Record, None, None]:
    """Warn if this host is short of memory, and yield what ``results`` does."""
    announce(lab, choice, progress)
    yield from results(lab, run, choice, out, journal, progress)


def results(
    lab: LoadedLab, run: str, choice: Selection, out: Path, journal: Journal, progress: Progress
) -> Generator[Record, None, None]:
    """Yield the records of a run as they are completed; closing it cancels and tears down.

    ``out`` is the folder for the machines' logs.
    """
    names, cold, thaw = choice.machines, choice.cold, choice.thaw
    with run_context(lab, run, names, out, journal, progress, cold=cold, thaw=thaw) as context:
        most = lab.lab.at_once or MOST_THREADS
        engine = LocalEngine(lambda job: run_job(job, context), context.cancellation, most)
        todo = plan_jobs(lab, run, machines=choice.machines, exercises=choice.exercises)
        with closing(engine.run(todo)) as found:
            yield from found


def announce(lab: LoadedLab, choice: Selection, progress: Progress) -> None:
    """Warn if the machines may need more memory than is free."""
    planned = plan(lab, this_host(), machines=choice.machines)
    if planned.short_by:
        progress.tell(
            f"warning: these machines may need {planned.memory // 2**20} MiB and the host has "
            f"{planned.host.memory // 2**20} MiB free; see `isolab plan`, or run fewer with --only"
        )


def require(wanted: Sequence[str], known: Sequence[str], what: str) -> None:
    """Raise SpecError for an unknown name."""
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or f"{what}s: {', '.join(known)}"
            raise SpecError(f"the lab has no {what} {name!r}", hint=hint)
