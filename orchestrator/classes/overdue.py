"""Seats that were up after their time, and home folders of an examination that are still to be collected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from orchestrator.classes.home_files import HomeFiles
from orchestrator.classes.machines import standing
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.time_limits import TimeLimits

GRACE_SECONDS = 10.0
"""How long after the end of its time a seat is up in any case: the service looks every few seconds."""


def overdue(found: LoadedClass, seats: Iterable[str], now: datetime) -> list[str]:
    """Return in words which of these seats have a living machine long after the end of their time, since the
    class's service did not run, or could not collect them. Raises Unavailable."""
    ends = TimeLimits(found).ends()
    late = {seat: (now - ends[seat]).total_seconds() for seat in seats if seat in ends}
    late = {seat: seconds for seat, seconds in late.items() if seconds > GRACE_SECONDS}
    if not late:
        return []
    alive = {place.seat for place, one in standing(found).items() if one.alive}
    return [
        f"{seat} was up {_span(seconds)} after the end: what was written after it is in the copy too"
        for seat, seconds in late.items()
        if seat in alive
    ]


def left_behind(found: LoadedClass, seats: Sequence[Seat]) -> list[str]:
    """Return the seats of an examination whose home folders are still there, since they were never collected:
    those that are, are destroyed."""
    homes = HomeFiles(found)
    return [
        seat.name
        for seat in seats
        if found.spec.exam and any(homes.get(seat.name, name) for name in found.machines.lab.machines)
    ]


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
