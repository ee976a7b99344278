"""The room at a glance: a row for each machine, with who is up, who is in, who passed what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.machines import Place, standing, wanted, wanted_shared
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.time_limits import TimeLimits

_MOVES = frozenset({Kind.CAME, Kind.LEFT, Kind.CHECKED, Kind.HANDED_IN, Kind.RESET})
"""What a student does, and not the lecturer or a timer."""


class MachineState(StrEnum):
    """The state of a machine that the class should have."""

    UP = "up"
    COMING = "coming up"
    DEAD = "dead"
    DOWN = "down"


@dataclass(frozen=True)
class MachineRow:
    """One machine: its state, since when (ISO 8601; "" if down), and the host's memory it uses, in bytes."""

    place: Place
    state: MachineState
    since: str = ""
    memory: int = 0


@dataclass(frozen=True)
class SeatRow:
    """One seat. ``logged_in`` counts its open logins. ``passed`` maps each exercise (``LAB/EXERCISE``) that
    was checked to the best points of the visible tests, and of how many; ``handed_in`` maps an exercise to
    the time of the last hand-in. ``last_move`` is when the student last did anything, ``ends`` when the time
    is up."""

    seat: Seat
    machines: tuple[MachineRow, ...]
    logged_in: int
    last_login: datetime | None
    passed: Mapping[str, tuple[float, float]]
    handed_in: Mapping[str, datetime]
    last_move: datetime | None
    ends: datetime | None = None


@dataclass(frozen=True)
class Board:
    """The whole class, in the roster's order; ``shared`` are the machines for everybody."""

    seats: tuple[SeatRow, ...]
    shared: tuple[MachineRow, ...]


def board(found: LoadedClass, seats: Sequence[Seat]) -> Board:
    """Return the class as it is now. Raises Unavailable."""
    known = standing(found)
    events: dict[str, list[Event]] = {}
    for event in Activity(found).events():
        events.setdefault(event.seat, []).append(event)
    ends = TimeLimits(found).ends()

    def row(place: Place) -> MachineRow:
        one = known.get(place)
        if one is None:
            return MachineRow(place, MachineState.DOWN)
        since = one.machine.member.since
        if one.machine.coming:
            return MachineRow(place, MachineState.COMING, since)
        return MachineRow(place, MachineState.UP if one.alive else MachineState.DEAD, since, one.memory)

    rows = tuple(
        seat_row(seat, [row(place) for place in wanted(found, [seat])], events.get(seat.name, ()), ends)
        for seat in seats
    )
    return Board(rows, tuple(row(place) for place in wanted_shared(found)))


def seat_row(
    seat: Seat, machines: Sequence[MachineRow], events: Sequence[Event], ends: Mapping[str, datetime]
) -> SeatRow:
    """Return a seat's row from its events, oldest first. Pure."""
    passed: dict[str, tuple[float, float]] = {}
    handed_in: dict[str, datetime] = {}
    for event in events:
        name = f"{event.lab}/{event.exercise.removeprefix('./')}"
        if event.kind is Kind.CHECKED and event.points is not None and event.most is not None:
            passed[name] = max(passed.get(name, (0.0, event.most)), (event.points, event.most))
        if event.kind is Kind.HANDED_IN and event.time is not None:
            handed_in[name] = event.time
    came = [event.time for event in events if event.kind is Kind.CAME]
    left = [event for event in events if event.kind is Kind.LEFT]
    moves = [event.time for event in events if event.kind in _MOVES]
    return SeatRow(
        seat=seat,
        machines=tuple(machines),
        logged_in=max(0, len(came) - len(left)),
        last_login=came[-1] if came else None,
        passed=passed,
        handed_in=handed_in,
        last_move=moves[-1] if moves else None,
        ends=ends.get(seat.name),
    )
