"""Take a class down: its work is collected first, and home folders are kept. Those of an examination are
destroyed once all files in them are collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.classes import gateway
from orchestrator.classes.home_files import HomeFiles
from orchestrator.classes.hosts.machines import machines_on_hosts
from orchestrator.classes.machines import Place, there
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.on_hosts import destroy_on_hosts, down_on_hosts
from orchestrator.classes.paths import home_image
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.up import held
from orchestrator.classes.work.collect import Collected, collect
from orchestrator.classes.work.not_taken import first_of
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError
from orchestrator.formatting import counted
from orchestrator.progress import Progress, ToldProgress
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.lifecycle import take_down
from orchestrator.sessions.lookup import SessionMachine


@dataclass(frozen=True)
class Down:
    """What was taken down, what came with the last collection, and in words what could not be done.
    ``destroyed`` are the home folders of an examination that are no more, ``unfinished`` the seats of which
    something could not be done."""

    gone: tuple[Place, ...]
    collected: tuple[Collected, ...]
    destroyed: tuple[Place, ...]
    failed: tuple[str, ...]
    unfinished: frozenset[str] = frozenset()


def bring_down(
    found: LoadedClass,
    seats: Sequence[Seat],
    progress: Progress,
    cancellation: Cancellation,
    *,
    everything: bool,
) -> Down:
    """Collect and take down these seats; ``everything``: also machines for everybody, and of seats that left,
    and the gateway. What cannot be collected is still in its home folder. Raises Interrupted, Unavailable."""
    names = {seat.name for seat in seats}
    with held(found, progress):
        machines = {place: one for place, one in there(found).items() if everything or place.seat in names}
        up = [seat for seat in seats if any(place.seat == seat.name for place in machines)]
        with Connections() as connections:
            copies = _collected(found, up, connections, progress, cancellation) if up else []
            progress.doing(found.name, f"taking down {counted(len(machines), 'machine')}")
            failed = _taken_down(found, machines, connections, progress, everything=everything)
        gone = [place for place in machines if place not in failed]
        TimeLimits(found).end(place.seat for place in gone)
        destroyed = _destroy(found, copies, gone, progress) if found.spec.exam else []
        if everything:
            gateway.stop(found)
        elif gateway.wanted(found):
            gateway.refresh(found)
        progress.done(found.name)
    words = [
        f"{one.seat}/{one.machine} was not collected: {one.problem}; its home folder is kept"
        for one in copies
        if one.problem
    ]
    if found.spec.exam:
        words += [_kept(found, one) for one in copies if one.missed and not one.problem]
    words += [problem.describe_for(machines[place].name) for place, problem in failed.items()]
    left = {one.seat for one in copies if one.problem or (found.spec.exam and one.missed)}
    left |= {place.seat for place in machines if place not in gone}
    return Down(tuple(gone), tuple(copies), tuple(destroyed), tuple(words), frozenset(left))


def _taken_down(
    found: LoadedClass,
    machines: Mapping[Place, SessionMachine],
    connections: Connections,
    progress: Progress,
    *,
    everything: bool,
) -> dict[Place, LabError]:
    """Take these machines down, here and on hosts; returns why those are not that are not. Those here are
    entered by ``connections``. ``everything``: nothing else of the class stays on a host."""
    on_hosts = {*machines_on_hosts(found)} if found.hosts is not None else set()
    away = [place for place in machines if (place.seat, place.machine) in on_hosts]
    here = {one.name: place for place, one in machines.items() if place not in away}
    told = ToldProgress(progress.tell)
    problems = take_down([machines[place] for place in here.values()], told, connections) if here else []
    failed = {here[failure.machine]: failure.problem for failure in problems}
    if found.hosts is not None and (away or everything):
        done = down_on_hosts(found, away, progress, everything=everything)
        failed |= {one.place: one.problem for one in done.failed}
    return failed


def _collected(
    found: LoadedClass,
    seats: Sequence[Seat],
    connections: Connections,
    progress: Progress,
    cancellation: Cancellation,
) -> list[Collected]:
    """Collect; of an examination twice where a file did not come: it may have gone while it was copied."""
    copies = collect(found, seats, progress, cancellation, connections=connections)
    left = {one.seat for one in copies if one.missed}
    if not left or not found.spec.exam:
        return copies
    some = [seat for seat in seats if seat.name in left]
    more = collect(found, some, progress, cancellation, connections=connections)
    again = {(one.seat, one.machine): one for one in more}
    return [_both(one, again.get((one.seat, one.machine))) for one in copies]


def _both(first: Collected, then: Collected | None) -> Collected:
    """Return how a copy is after two collections, and what came with both."""
    if then is None or then.problem:
        return first
    return replace(
        then, fresh=first.fresh + then.fresh, size=first.size + then.size, gone=first.gone + then.gone
    )


def _destroy(
    found: LoadedClass, copies: Sequence[Collected], gone: Sequence[Place], progress: Progress
) -> list[Place]:
    """Destroy the home folders of seats whose files are all collected; returns them."""
    safe = {one.seat for one in copies} - {one.seat for one in copies if one.problem or one.missed}
    destroyed = [place for place in gone if place.seat in safe]
    if found.hosts is not None:
        return list(destroy_on_hosts(found, destroyed, progress).done)
    for place in destroyed:
        home_image(found, place.seat, place.machine).unlink(missing_ok=True)
    return destroyed


def _kept(found: LoadedClass, one: Collected) -> str:
    """Return what was not collected of a home folder that would be destroyed otherwise, and where it is."""
    home = HomeFiles(found).get(one.seat, one.machine)
    where = f" in {home.where}" if home else ""
    return f"{one.seat}/{one.machine}: {first_of(one.missed)}; its home folder is kept{where}"
