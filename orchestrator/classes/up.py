"""Bring a class up: everybody side by side, as many at a time as the host takes. What is up is left alone, so
that an interrupted or failed ``up`` goes on with the next one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.classes.gateway.allow import allow
from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.machines import (
    Place,
    Standing,
    left_the_roster,
    standing,
    wanted,
    wanted_shared,
)
from orchestrator.classes.model import SHARED, LoadedClass, Seat
from orchestrator.classes.on_hosts import down_on_hosts, up_on_hosts
from orchestrator.classes.start import Failed, start_all
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.work.collect import collect
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import LabError, TimedOut
from orchestrator.host.cache import digest, locked
from orchestrator.labfile.addresses import group_of
from orchestrator.paths import state_dir
from orchestrator.progress import Progress
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.lifecycle import side_by_side, take_down
from orchestrator.sessions.lookup import SessionMachine

LOCK_SECONDS = 3600.0
SOON = 0.05


@dataclass(frozen=True)
class Up:
    """What ``bring_up`` did. ``left`` are seats whose machines are up, but which left the roster. ``waited``:
    another process changed the class when this one came."""

    came: tuple[Place, ...]
    were_there: tuple[Place, ...]
    failed: tuple[Failed, ...]
    left: tuple[str, ...] = ()
    waited: bool = False


@contextlib.contextmanager
def held(found: LoadedClass, progress: Progress) -> Iterator[bool]:
    """Hold the class: no other process changes its machines meanwhile. Yields whether another one had to be
    waited for. Raises TimedOut, Interrupted."""
    waited = False
    key = _key(found)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked("class", key, Deadline.after(SOON)))
        except TimedOut:
            waited = True
            progress.doing(found.name, "waiting for another isolab to finish changing this class")
            stack.enter_context(locked("class", key, Deadline.after(LOCK_SECONDS)))
            progress.done(found.name)
        yield waited


def being_changed(found: LoadedClass) -> bool:
    """Return whether another process holds the class. Raises Interrupted."""
    try:
        with locked("class", _key(found), Deadline.after(SOON)):
            return False
    except TimedOut:
        return True


def _key(found: LoadedClass) -> str:
    return digest(str(state_dir()), str(found.file.resolve()))


def bring_up(
    found: LoadedClass, seats: Sequence[Seat], progress: Progress, *, prune: bool = False, rows: bool = False
) -> Up:
    """Bring up the machines of these seats, and those for everybody, that are not up.

    Each is the user's as soon as it is up. ``prune``: collect and take down what belongs to seats that have
    left.
    ``rows``: show what each machine does. Raises Interrupted, Unavailable; what is up by then stays.
    """
    with held(found, progress) as waited:
        known = standing(found)
        left = left_the_roster(found, known)
        if prune and left:
            gone = {place: one for place, one in known.items() if place.seat in left}
            with Connections() as connections:
                seats_left = [Seat(name, name, ()) for name in left]
                collect(found, seats_left, progress, Cancellation(), connections=connections)
                _prune(found, gone, connections, progress)
        places = [*wanted_shared(found), *wanted(found, seats)]
        if found.hosts is not None:
            TimeLimits(found).begin(seat.name for seat in seats)
            here = [place for place, one in known.items() if not one.host]
            done = up_on_hosts(found, places, here, progress)
            return Up(done.done, done.stayed, done.failed, () if prune else tuple(left), waited)
        stay = staying(found, places, known, progress)
        _require_down(
            [known[place].machine for place in places if place in known and place not in stay], progress
        )
        missing = [place for place in places if place not in stay]
        TimeLimits(found).begin(seat.name for seat in seats)
        came, failed = start_all(found, missing, progress, rows=rows)
        _give_new_keys(found, [known[place] for place in stay], progress)
        return Up(tuple(came), tuple(stay), tuple(failed), () if prune else tuple(left), waited)


def _prune(
    found: LoadedClass, known: Mapping[Place, Standing], connections: Connections, progress: Progress
) -> None:
    """Take these machines down, wherever they are. Raises the first error of one that cannot be."""
    _require_down([one.machine for one in known.values() if not one.host], progress, connections)
    away = [place for place, one in known.items() if one.host]
    for failure in down_on_hosts(found, away, progress, everything=False).failed if away else ():
        raise failure.problem


def staying(
    found: LoadedClass, places: Sequence[Place], known: dict[Place, Standing], progress: Progress
) -> list[Place]:
    """Return the machines that are left as they are: those that live and share no network with a missing one,
    for a network that stands cannot be joined."""
    alive = {place for place in places if place in known and known[place].alive}
    for place in places:
        if place in known and place not in alive:
            progress.tell(f"{place} is dead: replacing it; its home folder stays")
    lost = [place for place in places if place not in alive and place.seat != SHARED]
    lab = found.machines.lab
    for place in lost:
        for peer in group_of(lab, place.machine, list(lab.machines)):
            if (other := Place(place.seat, peer)) in alive:
                progress.tell(
                    f"{other} shares a network with {place}: replacing it too; its home folder stays"
                )
                alive.discard(other)
    return [place for place in places if place in alive]


def _give_new_keys(found: LoadedClass, there: Sequence[Standing], progress: Progress) -> None:
    """Let keys that came to the roster since into machines that are up; what cannot be done is told."""
    keys = {seat: student_keys(found, seat) for seat in {one.place.seat for one in there}}
    changed = {
        one.machine.handle.tag: keys[one.place.seat]
        for one in there
        if one.machine.member.order is not None
        and {*one.machine.member.order.student_keys} != {*keys[one.place.seat]}
    }
    machines = [one.machine for one in there if one.machine.handle.tag in changed]
    done = side_by_side(lambda machine: allow(machine, changed[machine.handle.tag]), machines, Cancellation())
    for machine, result in done:
        if isinstance(result, LabError):
            progress.tell(f"{machine.name}: does not know its student's new key yet: {result.message}")


def _require_down(
    machines: Sequence[SessionMachine], progress: Progress, connections: Connections | None = None
) -> None:
    """Take these down. Raises the first error of one that cannot be."""
    for failure in take_down(machines, progress, connections) if machines else ():
        raise failure.problem
