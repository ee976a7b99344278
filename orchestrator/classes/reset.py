"""Replace a seat's machines by fresh ones; the home folders stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.classes import gateway
from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.machines import Place, there
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.on_hosts import reset_on_hosts
from orchestrator.classes.up import held
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, SpecError
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.progress import Progress
from orchestrator.sessions.lifecycle import renew, side_by_side
from orchestrator.sessions.lookup import SessionMachine


def reset(
    found: LoadedClass, seats: Sequence[Seat], machines: Sequence[str], progress: Progress
) -> list[tuple[Place, LabError | None]]:
    """Replace these seats' machines of these names (none: all of them); returns each, with the error of those
    that could not be replaced. Raises SpecError if nothing is up, Interrupted."""
    known = list(found.machines.lab.machines)
    for name in machines:
        if name not in known:
            hint = did_you_mean(name, known) or f"machines: {', '.join(known)}"
            raise SpecError(f"the class has no machine {name!r}", hint=hint)
    names = {seat.name for seat in seats}
    with held(found, progress):
        chosen = {
            place: one
            for place, one in there(found).items()
            if place.seat in names and (not machines or place.machine in machines) and not one.coming
        }
        if not chosen:
            raise SpecError("none of these machines is up", hint="`isolab class up` brings them up")
        if found.hosts is not None:
            done = reset_on_hosts(found, list(chosen), machines, progress)
            problems = {one.place: one.problem for one in done.failed}
        else:
            problems = _renewed(found, chosen, progress)
        if found.given is None and gateway.wanted(found):  # a host with a part of a class has no gateway
            gateway.refresh(found)
    activity = Activity(found)
    for place in chosen:
        if place not in problems:
            activity.add(Event(place.seat, Kind.RESET, detail=place.machine))
    return [(place, problems.get(place)) for place in chosen]


def _renewed(
    found: LoadedClass, chosen: Mapping[Place, SessionMachine], progress: Progress
) -> dict[Place, LabError]:
    """Replace machines of this host; returns why those could not be that were not."""
    cancellation = Cancellation()
    fresh = [_with_keys(found, place, one) for place, one in chosen.items()]
    done = side_by_side(lambda machine: renew(machine, progress, cancellation), fresh, cancellation)
    return {
        place: result for place, (_, result) in zip(chosen, done, strict=True) if isinstance(result, LabError)
    }


def _with_keys(found: LoadedClass, place: Place, machine: SessionMachine) -> SessionMachine:
    """Return a machine that is made anew with the keys its seat has now."""
    order = machine.member.order
    if order is None:
        return machine
    order = replace(order, student_keys=student_keys(found, place.seat))
    return replace(machine, member=replace(machine.member, order=order))
