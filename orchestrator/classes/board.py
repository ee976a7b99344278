"""The room at a glance: a row for each machine, with who is up, who is in, who passed what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from orchestrator.classes.activity import Activity, Event
from orchestrator.classes.history import history
from orchestrator.classes.machines import Place, hosts_of_seats, standing, wanted, wanted_shared
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.time_limits import TimeLimits


class MachineState(StrEnum):
    """The state of a machine that the class should have."""

    UP = "up"
    COMING = "coming up"
    DEAD = "dead"
    DOWN = "down"
    AWAY = "host away"


@dataclass(frozen=True)
class MachineRow:
    """One machine: its state, since when (ISO 8601; "" if down), and the host's memory it uses, in bytes.
    ``host`` is where it is, or was last; "" for this host."""

    place: Place
    state: MachineState
    since: str = ""
    memory: int = 0
    host: str = ""


@dataclass(frozen=True)
class SeatRow:
    """One seat: what ``SeatHistory`` says of it, its machines, and when its time is up (``ends``)."""

    seat: Seat
    machines: tuple[MachineRow, ...]
    logged_in: int
    last_login: datetime | None
    checked: Mapping[str, tuple[float, float]]
    passed: frozenset[str]
    handed_in: Mapping[str, datetime]
    last_move: datetime | None
    ends: datetime | None = None


@dataclass(frozen=True)
class Board:
    """The whole class, in the roster's order; ``shared`` are the machines for everybody. ``away`` says why
    hosts do not answer, by name."""

    seats: tuple[SeatRow, ...]
    shared: tuple[MachineRow, ...]
    away: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def board(found: LoadedClass, seats: Sequence[Seat]) -> Board:
    """Return the class as it is now. Raises Unavailable."""
    known = standing(found)
    events: dict[str, list[Event]] = {}
    for event in Activity(found).events():
        events.setdefault(event.seat, []).append(event)
    ends = TimeLimits(found).ends()
    hosts = hosts_of_seats(found)

    def row(place: Place) -> MachineRow:
        one = known.get(place)
        if one is None:
            return MachineRow(place, MachineState.DOWN, host=hosts.get(place.seat, ""))
        since = one.machine.member.since
        if one.away:
            return MachineRow(place, MachineState.AWAY, since, host=one.host)
        if one.machine.coming:
            return MachineRow(place, MachineState.COMING, since, host=one.host)
        state = MachineState.UP if one.alive else MachineState.DEAD
        return MachineRow(place, state, since, one.memory, one.host)

    rows = tuple(
        seat_row(seat, [row(place) for place in wanted(found, [seat])], events.get(seat.name, ()), ends)
        for seat in seats
    )
    away = {one.host: one.away for one in known.values() if one.away}
    return Board(rows, tuple(row(place) for place in wanted_shared(found)), away)


def seat_row(
    seat: Seat, machines: Sequence[MachineRow], events: Sequence[Event], ends: Mapping[str, datetime]
) -> SeatRow:
    """Return a seat's row from its events, oldest first. Pure."""
    told = history(events)
    return SeatRow(
        seat=seat,
        machines=tuple(machines),
        logged_in=told.logins,
        last_login=told.last_login,
        checked=told.checked,
        passed=told.passed,
        handed_in=told.handed_in,
        last_move=told.last_move.time if told.last_move else None,
        ends=ends.get(seat.name),
    )
