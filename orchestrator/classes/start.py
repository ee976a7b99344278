"""Start many seats' machines side by side; what fails is tried once more, and reported."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.classes.homes import Homes, homes
from orchestrator.classes.machines import Place
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.classes.seat_progress import SeatProgress
from orchestrator.errors import Interrupted, LabError, Unavailable, from_os
from orchestrator.host.resources import this_host
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.machines.journal import Journal
from orchestrator.machines.networks import Networks
from orchestrator.machines.provision import LabContext, lab_context, provision
from orchestrator.paths import scratch_dir, state_dir
from orchestrator.progress import Progress
from orchestrator.results.store import new_run_id

MOST_AT_ONCE = 64
TRIES = 2
"""How often a machine is tried before it is reported."""
SPARE = 256 * 2**20
"""Bytes of memory that are left to the host: no machine is started into them."""


@dataclass(frozen=True)
class Failed:
    """A machine that did not come up: why, and the folder of its logs, if it is on this host."""

    place: Place
    problem: LabError
    logs: Path | None = None


def start_all(
    found: LoadedClass, missing: Sequence[Place], progress: Progress, *, rows: bool
) -> tuple[list[Place], list[Failed]]:
    """Start these machines; returns those that came up, in that order, and those that did not. Raises
    Interrupted, Unavailable."""
    came: list[Place] = []
    failed: list[Failed] = []
    for lab, places in (
        (found.shared, [place for place in missing if place.seat == SHARED]),
        (found.machines, [place for place in missing if place.seat != SHARED]),
    ):
        if lab is None or not places:
            continue
        names = tuple(dict.fromkeys(place.machine for place in places))
        with (
            homes(found, places) as folders,
            lab_context(lab, names, state_dir(), Journal(), progress, cold=False) as context,
        ):
            starts = _Starts(found, lab, context, folders, rows, len(places))
            starts.run(places)
            came += starts.came
            failed += starts.failed
    return came, failed


def logs_of(found: LoadedClass, seat: str) -> Path:
    """Return the folder of the logs of a seat's machines."""
    return state_dir() / "sessions" / found.session(seat)


@dataclass
class _Starts:
    """The machines of one lab that are started together."""

    found: LoadedClass
    lab: LoadedLab
    context: LabContext
    folders: Homes
    rows: bool
    total: int
    came: list[Place] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    def run(self, places: Sequence[Place]) -> None:
        """Start these and wait for all. Raises Interrupted, Unavailable."""
        jobs = jobs_of(self.lab, places)
        contexts = {seat: self._of_seat(seat) for seat in {place.seat for place in places}}
        tries = dict.fromkeys(places, 1)
        with ThreadPoolExecutor(min(MOST_AT_ONCE, len(places))) as pool:

            def submit(place: Place) -> Future[None]:
                return pool.submit(self._start, place, jobs[place], contexts[place.seat])

            running = {submit(place): place for place in places}
            try:
                while running:
                    # Woken often, so that Ctrl-C is noticed.
                    done, _ = wait(running, timeout=0.3, return_when=FIRST_COMPLETED)
                    for future in done:
                        place = running.pop(future)
                        if self._is_to_be_tried_again(place, _problem(future), tries[place]):
                            tries[place] += 1
                            running[submit(place)] = place
            except BaseException:
                self.context.cancellation.cancel()
                raise
        self.context.progress.done(self.found.name)

    def _is_to_be_tried_again(self, place: Place, problem: LabError | None, tried: int) -> bool:
        if problem is None:
            self.came.append(place)
            words = f"{len(self.came)} of {self.total} machines are ready"
            self.context.progress.doing(self.found.name, words)
            return False
        if tried < TRIES and not isinstance(problem, Unavailable):
            self.context.progress.tell(f"{place}: {problem.first_line}; trying once more")
            return True
        self.failed.append(Failed(place, problem, logs_of(self.found, place.seat) / place.machine))
        return False

    def _of_seat(self, seat: str) -> LabContext:
        """Return the context of one seat's machines: their networks and logs are their own."""
        names = frozenset(self.lab.lab.machines)
        progress = SeatProgress(self.context.progress, seat, names, self.told, self.rows)
        machines, logs = replace(self.context.machines, progress=progress), logs_of(self.found, seat)
        networks = Networks(self.lab.lab, machines, scratch_dir(), logs)
        return replace(self.context, machines=machines, out=logs, networks=networks)

    def _start(self, place: Place, job: Job, context: LabContext) -> None:
        """Start one machine and make it the user's."""
        try:
            with contextlib.ExitStack() as undo:
                _require_memory(place)
                machine = provision(
                    job,
                    context,
                    undo,
                    self.found.session(place.seat),
                    fitted=lambda order: self.folders.fit(place, order),
                )
                context.machines.journal.keep([machine.handle, *context.networks.standing()])
                undo.pop_all()
        finally:
            context.progress.done(place.machine)


def jobs_of(lab: LoadedLab, places: Sequence[Place]) -> dict[Place, Job]:
    """Return the job of each machine. Those of a seat have a run, and so networks, of their own."""
    of_seat: dict[str, list[str]] = {}
    for place in places:
        of_seat.setdefault(place.seat, []).append(place.machine)
    runs: dict[str, str] = {}
    for seat in of_seat:
        run = new_run_id()
        while run in runs.values():
            run = new_run_id()
        runs[seat] = run
    return {
        Place(seat, job.machine): replace(job, student=seat)
        for seat, machines in of_seat.items()
        for job in plan_jobs(lab, runs[seat], machines=machines)
    }


def _require_memory(place: Place) -> None:
    """Raise Unavailable if the host has no memory left for a machine."""
    free = this_host().memory
    if free < SPARE:
        raise Unavailable(
            f"{place} was not started: this host has {free // 2**20} MiB of memory left",
            hint="see `isolab class plan`; bring up fewer students here, or with less memory each",
        )


def _problem(future: Future[None]) -> LabError | None:
    """Return why a start failed; None if it did not. Raises Interrupted, and what is a fault of isolab."""
    problem = future.exception()
    if problem is None or (isinstance(problem, LabError) and not isinstance(problem, Interrupted)):
        return problem
    if isinstance(problem, OSError):
        return from_os(problem)
    raise problem
