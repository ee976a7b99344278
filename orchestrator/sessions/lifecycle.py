"""Sessions: bring machines up in parallel, reset them, take them down.

A session is a set of machines of one lab brought up together. This process owns them until all that
can come up have; then the user owns them, in one step, so that a process killed before that leaves
only what ``gc`` removes.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from orchestrator import drivers
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import Interrupted, LabError, SpecError, TimedOut, Unavailable, from_os
from orchestrator.host.cache import digest, locked
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.machines.context import MachineContext
from orchestrator.machines.journal import Journal, member_of
from orchestrator.machines.lifecycle import connected, remove, start
from orchestrator.machines.provision import LabContext, lab_context, provision
from orchestrator.paths import state_dir
from orchestrator.progress import Progress
from orchestrator.results.store import new_run_id
from orchestrator.run.run import Selection
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.lookup import SessionMachine, State, ask_all, session_machines
from orchestrator.sessions.settle import settle_home

LOCK_SECONDS = 3600.0
SOON = 0.05
"""Seconds to find out whether another process holds a session."""
BEFORE = "before-reset"
"""Folder in a machine's logs with the logs from before its reset."""

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """A machine that did not come up, and why."""

    machine: str
    problem: LabError


@dataclass(frozen=True)
class Raised:
    """The result of bringing machines up: those that came up, were up already, and failed."""

    session: str
    came: tuple[SessionMachine, ...]
    were_there: tuple[SessionMachine, ...]
    failures: tuple[Failure, ...]


@contextlib.contextmanager
def held(session: str, progress: Progress) -> Iterator[None]:
    """Hold a session's lock: no other process changes it meanwhile. Raises TimedOut, Interrupted."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock(session, SOON))
        except TimedOut:
            progress.doing(session, "waiting for another isolab to finish changing this session")
            stack.enter_context(_lock(session, LOCK_SECONDS))
            progress.done(session)
        yield


def _lock(session: str, seconds: float) -> contextlib.AbstractContextManager[None]:
    """Lock one session of this user's state."""
    return locked("session", digest(str(state_dir()), session), Deadline.after(seconds))


def bring_up(lab: LoadedLab, session: str, choice: Selection, progress: Progress) -> Raised:
    """Bring up the missing machines of a lab, and leave them running.

    Machines of the session that are up are left alone; dead ones are replaced. Raises SpecError if
    the session belongs to another lab, Interrupted; then nothing new is left.
    """
    with held(session, progress):
        journal = Journal()
        there = [machine for machine in session_machines() if machine.session == session]
        _require_same_lab(there, lab, session)
        wanted = [n for n in lab.lab.machines if not choice.machines or n in choice.machines]
        were_there = []
        for machine, (state, reason) in zip(there, ask_all(there), strict=True):
            if machine.machine not in wanted:
                continue
            if state is State.DEAD:
                progress.tell(f"{machine.name} is dead ({reason}): replacing it")
                _remove(machine, journal)
                _set_aside(machine.logs)
            else:
                were_there.append(machine)
        missing = tuple(n for n in wanted if n not in {machine.machine for machine in were_there})
        if not missing:
            return Raised(session, (), tuple(were_there), ())
        _require_whole_networks(lab, missing, [machine.machine for machine in were_there], session)
        logs = state_dir() / "sessions" / session
        names, cold, thaw = choice.machines, choice.cold, choice.thaw
        with lab_context(lab, names, logs, journal, progress, cold=cold, thaw=thaw) as context:
            todo = plan_jobs(lab, new_run_id(), machines=missing)
            handles, failures = _start_all(todo, session, context)
        standing = {machine.handle.tag: machine for machine in session_machines()}
        came = tuple(standing[handle.tag] for handle in handles)
        return Raised(session, came, tuple(were_there), tuple(failures))


def _require_same_lab(there: Sequence[SessionMachine], lab: LoadedLab, session: str) -> None:
    mine = str(lab.path.resolve())
    for machine in there:
        if machine.member.lab != mine:
            raise SpecError(
                f"session {session!r} already has machines of another lab: {machine.member.lab}",
                hint="choose another session name with --name",
            )


def _require_whole_networks(
    lab: LoadedLab, missing: Sequence[str], there: Sequence[str], session: str
) -> None:
    """Raise SpecError if a missing machine shares a network with one that is up: it cannot be extended."""
    machines = lab.lab.machines
    for name in missing:
        split = [n for n in there if set(machines[n].networks) & set(machines[name].networks)]
        if split:
            raise SpecError(
                f"{name} shares a network with {', '.join(split)}, already up: networks cannot be extended",
                hint=f"run `isolab down {session}/{split[0]}` (and likewise the others), then bring all up",
            )


def _start_all(todo: Sequence[Job], session: str, context: LabContext) -> tuple[list[Handle], list[Failure]]:
    """Start machines in parallel and hand over those that come up, in one step.

    Anything else that ends this, such as an interruption, undoes all of them.
    """
    handles: list[Handle] = []
    failures: list[Failure] = []
    with contextlib.ExitStack() as undo, ThreadPoolExecutor(min(64, len(todo))) as pool:
        futures = {job.machine: pool.submit(_start, job, session, context) for job in todo}
        try:
            while wait(futures.values(), timeout=0.3).not_done:
                pass  # woken often, so that Ctrl-C is noticed
        except BaseException:
            context.cancellation.cancel()
            raise
        finally:
            # Also those that come up after an interruption.
            wait(futures.values())
            for future in futures.values():
                if future.exception() is None:
                    undo.push(future.result()[1])
        for name, future in futures.items():
            problem = future.exception()
            if problem is None:
                handles.append(future.result()[0])
            elif isinstance(problem, LabError | OSError) and not isinstance(problem, Interrupted):
                failures.append(Failure(name, problem if isinstance(problem, LabError) else from_os(problem)))
            else:
                raise problem
        context.machines.journal.keep([*handles, *context.networks.standing()])
        undo.pop_all()
    return handles, failures


def _start(job: Job, session: str, context: LabContext) -> tuple[Handle, contextlib.ExitStack]:
    """Start a machine and read its facts; returns its handle and what undoes it."""
    try:
        with contextlib.ExitStack() as undo:
            machine = provision(job, context, undo, session)
            with connected(machine, context.machines):
                pass
            return machine.handle, undo.pop_all()
    finally:
        context.progress.done(job.machine)


def renew(machine: SessionMachine, progress: Progress, cancellation: Cancellation) -> Handle:
    """Take a machine down and bring up a fresh one from the same order, with a new identity.

    Raises Unavailable if the order can no longer be carried out; then the machine is untouched.
    Raises BootError and others; then it is gone.
    """
    context = MachineContext(Journal(), progress, cancellation)
    order = _order_again(machine, progress)
    driver = drivers.load(order.machine.driver)
    progress.doing(machine.machine, "taking down")
    with Connections() as connections:
        settle_home(machine, connections, progress)
    # Ours until it is up again, and in the journal all the time: who takes all down waits for it.
    context.journal.intend(machine.handle, machine.member)
    try:
        driver.down(machine.handle)
    except BaseException:
        context.journal.keep([machine.handle])
        raise
    _set_aside(machine.logs)
    member = member_of(machine.session, machine.member.lab, order)
    with contextlib.ExitStack() as undo:
        fresh = start(order, driver, context, undo, member)
        with connected(fresh, context):
            pass
        context.journal.keep([fresh.handle])
        undo.pop_all()
    progress.done(machine.machine)
    return fresh.handle


def _order_again(machine: SessionMachine, progress: Progress) -> Order:
    """Return a machine's order, as far as it can be carried out again. Raises Unavailable."""
    order = machine.member.order
    again = f"run `isolab down {machine.name}`, then `isolab up {machine.member.lab}`"
    if order is None:
        raise Unavailable(f"{machine.name} was created by another version of isolab", hint=again)
    if not order.image.folder.exists():
        raise Unavailable(f"{machine.name}: its image is no longer in the cache", hint=again)
    if order.frozen is not None and not order.frozen.image.exists():
        progress.tell(f"{machine.name}: a clone, not thawed: its frozen emulator is no longer in the cache")
        order = replace(order, frozen=None)
    if order.template is not None and not order.template.folder.exists():
        progress.tell(f"{machine.name}: cold boot: its template is no longer in the cache")
        return replace(order, template=None, frozen=None)
    return order


def take_down(
    there: Sequence[SessionMachine], progress: Progress, connections: Connections | None = None
) -> list[Failure]:
    """Remove machines and their logs, in parallel; returns those that could not be removed. ``connections``
    to them are used and closed."""
    journal, ways = Journal(), connections or Connections()

    def one(machine: SessionMachine) -> None:
        progress.doing(machine.machine, "taking down")
        settle_home(machine, ways, progress)
        _remove(machine, journal)
        shutil.rmtree(machine.logs, ignore_errors=True)
        progress.done(machine.machine)

    results = side_by_side(one, there, Cancellation())
    for handle in _unused_networks(journal):
        remove(handle, drivers.load(handle.driver), journal)
    left = {machine.session for machine in session_machines()}
    for folder in {machine.logs.parent for machine in there if machine.session not in left}:
        shutil.rmtree(folder, ignore_errors=True)  # machines that never came up left logs there
    return [Failure(machine.name, problem) for machine, problem in results if isinstance(problem, LabError)]


def _unused_networks(journal: Journal) -> list[Handle]:
    """Return the kept networks of runs that have no machine left."""
    kept = [entry.handle for entry in journal.entries() if entry.kept]
    used = {handle.run for handle in kept if not handle.is_network}
    return [handle for handle in kept if handle.is_network and handle.run not in used]


def side_by_side(
    work: Callable[[SessionMachine], T], there: Sequence[SessionMachine], cancellation: Cancellation
) -> list[tuple[SessionMachine, T | LabError]]:
    """Run ``work`` for all machines in parallel; returns each result, or the LabError raised. An exception
    in the wait cancels them."""

    def one(machine: SessionMachine) -> T | LabError:
        try:
            return work(machine)
        except LabError as problem:
            return problem

    with ThreadPoolExecutor(max(1, min(32, len(there)))) as pool:
        futures: list[Future[T | LabError]] = [pool.submit(one, machine) for machine in there]
        try:
            while wait(futures, timeout=0.3).not_done:
                pass  # woken often, so that Ctrl-C is noticed
        except BaseException:
            cancellation.cancel()
            raise
    return [(machine, future.result()) for machine, future in zip(there, futures, strict=True)]


def _remove(machine: SessionMachine, journal: Journal) -> None:
    remove(machine.handle, drivers.load(machine.handle.driver), journal)


def _set_aside(logs: Path) -> None:
    """Move a machine's logs to a subfolder, next to those of its successor."""
    before = logs / BEFORE
    shutil.rmtree(before, ignore_errors=True)
    if logs.is_dir():
        files = list(logs.iterdir())
        before.mkdir()
        for file in files:
            file.rename(before / file.name)
