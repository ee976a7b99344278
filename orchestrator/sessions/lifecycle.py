"""Machines that stay: brought up side by side, made anew, taken down.

A session is the machines of one lab that were wanted together. They are ours until all that can
come up have; then they are handed over to the user in one step, so that whoever is killed before
leaves only what ``gc`` removes.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle
from orchestrator.errors import Interrupted, LabError, SpecError, TimedOut, Unavailable, from_os
from orchestrator.host.cache import digest, locked
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.machines import lifecycle
from orchestrator.machines.journal import Ledger
from orchestrator.paths import state_dir
from orchestrator.progress import Progress
from orchestrator.results.store import new_run_id
from orchestrator.run.context import Workshop, make_image, place_order, with_template
from orchestrator.run.run import Choice, workshop
from orchestrator.sessions.lookup import Resident, State, ask_all, residents
from orchestrator.sessions.register import Register, stay_of

LOCK_SECONDS = 3600.0
SOON = 0.05
"""Seconds to find out whether anybody else holds a session."""
BEFORE = "before-reset"
"""Folder in a machine's logs with those of the machine it was before."""

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """A machine that did not come up, and why."""

    machine: str
    problem: LabError


@dataclass(frozen=True)
class Raised:
    """What became of bringing machines up: those that came, those that were there, those that failed."""

    session: str
    came: tuple[Resident, ...]
    were_there: tuple[Resident, ...]
    failures: tuple[Failure, ...]


@contextlib.contextmanager
def held(session: str, progress: Progress) -> Iterator[None]:
    """Nobody else changes this session meanwhile. Raises TimedOut, Interrupted."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock(session, SOON))
        except TimedOut:
            progress.doing(session, "waiting for another isolab that changes this session")
            stack.enter_context(_lock(session, LOCK_SECONDS))
            progress.done(session)
        yield


def _lock(session: str, seconds: float) -> contextlib.AbstractContextManager[None]:
    """The lock of one session among those in our state."""
    return locked("session", digest(str(state_dir()), session), Deadline.after(seconds))


def bring_up(lab: LoadedLab, session: str, choice: Choice, progress: Progress) -> Raised:
    """Bring up the machines of a lab that are not there yet, and leave them running.

    Those of the session that are up stay as they are; dead ones are made anew. Raises SpecError
    when the session is another lab's, Interrupted; then nothing new is left.
    """
    with held(session, progress):
        register, ledger = Register(), Ledger()
        there = [r for r in residents() if r.stay.session == session]
        _require_same_lab(there, lab, session)
        forget_lost(register, ledger, session)
        wanted = [n for n in lab.lab.machines if not choice.machines or n in choice.machines]
        were_there = []
        for resident, (state, reason) in zip(there, ask_all(there), strict=True):
            if resident.stay.machine not in wanted:
                continue
            if state is State.DEAD:
                progress.tell(f"{resident.stay.name} is dead ({reason}): making it anew")
                _remove(resident, register, ledger)
                _set_aside(resident.stay.logs)
            else:
                were_there.append(resident)
        missing = tuple(n for n in wanted if n not in {r.stay.machine for r in were_there})
        if not missing:
            return Raised(session, (), tuple(were_there), ())
        _require_whole_networks(lab, missing, [r.stay.machine for r in were_there], session)
        run, logs = new_run_id(), state_dir() / "sessions" / session
        with workshop(lab, run, choice, logs, ledger, progress) as shop:
            todo = plan_jobs(lab, run, machines=missing)
            came, failures = _raise_all(todo, session, shop, register)
        return Raised(session, tuple(came), tuple(were_there), tuple(failures))


def _require_same_lab(there: Sequence[Resident], lab: LoadedLab, session: str) -> None:
    mine = str(lab.path.resolve())
    for resident in there:
        if resident.stay.lab != mine:
            raise SpecError(
                f"a session {session!r} of another lab is up: {resident.stay.lab}",
                hint="give this one another name with --name",
            )


def _require_whole_networks(
    lab: LoadedLab, missing: Sequence[str], there: Sequence[str], session: str
) -> None:
    """A network is laid once, for all of its machines. Raises SpecError."""
    machines = lab.lab.machines
    for name in missing:
        split = [n for n in there if set(machines[n].networks) & set(machines[name].networks)]
        if split:
            raise SpecError(
                f"{name} is to share a network with {', '.join(split)}, which came up without it",
                hint=f"`isolab down {session}/{split[0]}` for each of them, then bring all up together",
            )


def _raise_all(
    todo: Sequence[Job], session: str, shop: Workshop, register: Register
) -> tuple[list[Resident], list[Failure]]:
    def one(job: Job) -> Resident:
        try:
            return _raise_one(job, session, shop, register)
        finally:
            shop.progress.done(job.machine)

    came: list[Resident] = []
    failures: list[Failure] = []
    pool = ThreadPoolExecutor(min(64, len(todo)), thread_name_prefix="up")
    futures = {job.machine: pool.submit(one, job) for job in todo}
    try:
        while wait(futures.values(), timeout=0.3).not_done:
            pass  # woken often, so that Ctrl-C is noticed
        for name, future in futures.items():
            problem = future.exception()
            if problem is None:
                came.append(future.result())
            elif isinstance(problem, LabError | OSError) and not isinstance(problem, Interrupted):
                failures.append(Failure(name, problem if isinstance(problem, LabError) else from_os(problem)))
            else:
                raise problem
        shop.ledger.keep([*(r.handle for r in came), *shop.wiring.standing()])
    except BaseException:
        shop.cancel.set()
        pool.shutdown(wait=True)
        for future in futures.values():
            if not future.cancelled() and future.exception() is None:
                _remove(future.result(), register, shop.ledger)
        shop.wiring.clear()
        raise
    finally:
        pool.shutdown(wait=True)
    return came, failures


def _raise_one(job: Job, session: str, shop: Workshop, register: Register) -> Resident:
    wanted = shop.lab.lab.machines[job.machine]
    arch = arch_of(wanted)
    image = make_image(shop, wanted.image, arch)
    driver, plain = place_order(job, wanted, arch, image, shop)
    order = with_template(shop.wiring.seated(plain, job, Deadline.never(shop.cancel)), driver, shop)
    stay = stay_of(session, str(shop.lab.path.resolve()), order)
    register.enter(stay)
    try:
        handle = lifecycle.stay(order, driver, shop.ledger, shop.progress, shop.cancel, shop.slots(order))
    except BaseException:
        register.strike(stay)
        raise
    return Resident(stay, handle)


def renew(resident: Resident, progress: Progress, cancel: threading.Event) -> Resident:
    """Take a machine down and bring it up by the same order: empty, with another identity.

    Raises Unavailable when the order cannot be followed any more; then the machine is still
    there. Raises BootError and others; then it is not.
    """
    stay, register, ledger = resident.stay, Register(), Ledger()
    order = stay.order
    again = f"`isolab down {stay.name}`, then `isolab up {stay.lab}`"
    if order is None:
        raise Unavailable(f"{stay.name} was made by another version of isolab", hint=again)
    if not order.image.folder.exists():
        raise Unavailable(f"{stay.name}: its image is not in the cache any more", hint=again)
    if order.template is not None and not order.template.folder.exists():
        progress.tell(f"{stay.name}: boots cold: its template is not in the cache any more")
        order = replace(order, template=None)
    driver = drivers.load(order.machine.driver)
    progress.doing(stay.machine, "taking down")
    lifecycle.remove(resident.handle, driver, ledger)
    _set_aside(stay.logs)
    fresh = stay_of(stay.session, stay.lab, order)
    try:
        handle = lifecycle.stay(order, driver, ledger, progress, cancel, contextlib.nullcontext())
    except BaseException:
        register.strike(stay)
        raise
    register.enter(fresh)
    ledger.keep([handle])
    progress.done(stay.machine)
    return Resident(fresh, handle)


def take_down(there: Sequence[Resident], progress: Progress) -> list[Failure]:
    """Remove machines and their logs, side by side; gives those that could not be."""
    register, ledger = Register(), Ledger()

    def one(resident: Resident) -> None:
        progress.doing(resident.stay.machine, "taking down")
        _remove(resident, register, ledger)
        shutil.rmtree(resident.stay.logs, ignore_errors=True)
        progress.done(resident.stay.machine)

    results = side_by_side(one, there, threading.Event())
    for handle in _deserted_networks(ledger):
        lifecycle.remove(handle, drivers.load(handle.driver), ledger)
    left = {stay.session for stay in register.stays()}
    for folder in {r.stay.logs.parent for r in there if r.stay.session not in left}:
        shutil.rmtree(folder, ignore_errors=True)  # machines that never came up left logs there
    return [Failure(r.stay.name, problem) for r, problem in results if isinstance(problem, LabError)]


def _deserted_networks(ledger: Ledger) -> list[Handle]:
    """Kept networks of runs of which no machine is left."""
    kept = [intent.handle for intent in ledger.intents() if intent.kept]
    inhabited = {handle.run for handle in kept if not handle.is_network}
    return [handle for handle in kept if handle.is_network and handle.run not in inhabited]


def side_by_side(
    work: Callable[[Resident], T], there: Sequence[Resident], cancel: threading.Event
) -> list[tuple[Resident, T | LabError]]:
    """What ``work`` gives for each machine, or the LabError it ended with. Whatever ends the wait
    for it sets ``cancel``."""

    def one(resident: Resident) -> T | LabError:
        try:
            return work(resident)
        except LabError as problem:
            return problem

    with ThreadPoolExecutor(max(1, min(32, len(there)))) as pool:
        futures: list[Future[T | LabError]] = [pool.submit(one, resident) for resident in there]
        try:
            while wait(futures, timeout=0.3).not_done:
                pass  # woken often, so that Ctrl-C is noticed
        except BaseException:
            cancel.set()
            raise
    return [(resident, future.result()) for resident, future in zip(there, futures, strict=True)]


def forget_lost(register: Register, ledger: Ledger, session: str) -> list[str]:
    """Strike machines of a session that no ledger knows: their maker was killed. The caller
    holds the session. Gives what it struck, in words."""
    struck = []
    known = {(i.handle.run, i.handle.machine) for i in ledger.intents()}
    for stay in register.stays():
        if stay.session == session and (stay.run, stay.machine) not in known:
            register.strike(stay)
            shutil.rmtree(stay.logs, ignore_errors=True)
            struck.append(f"the entry of {stay.name}, which is not there")
    return struck


def tidy() -> Iterator[str]:
    """Strike what sessions whose maker was killed left in the register, naming each machine; the
    machines themselves are for ``reclaim`` to remove first."""
    register, ledger = Register(), Ledger()
    for session in dict.fromkeys(stay.session for stay in register.stays()):
        with contextlib.suppress(TimedOut), _lock(session, SOON):
            yield from forget_lost(register, ledger, session)


def _remove(resident: Resident, register: Register, ledger: Ledger) -> None:
    lifecycle.remove(resident.handle, drivers.load(resident.handle.driver), ledger)
    register.strike(resident.stay)


def _set_aside(logs: Path) -> None:
    """Keep a machine's logs beside those of its successor."""
    before = logs / BEFORE
    shutil.rmtree(before, ignore_errors=True)
    if logs.is_dir():
        files = list(logs.iterdir())
        before.mkdir()
        for file in files:
            file.rename(before / file.name)
