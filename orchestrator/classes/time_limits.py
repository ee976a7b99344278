"""Until when the machines of each seat stay up: the class's end or lifetime, and what was added to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.paths import DATABASE, class_state
from orchestrator.errors import SpecError
from orchestrator.host.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS time_limits (seat TEXT PRIMARY KEY, began TEXT NOT NULL, added REAL NOT NULL)
"""
MOST_SECONDS = 366 * 86400.0
"""The most that is added at once; more is a slip, and time that was given cannot be taken back."""

LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""What ends later ends then: further off, dates cannot be written in every time zone."""

_SET = "INSERT OR REPLACE INTO time_limits VALUES (?, ?, ?)"


@dataclass(frozen=True)
class TimeLimit:
    """When a seat's machines were first brought up, and the seconds added since to the end of its time."""

    began: datetime
    added: float = 0.0


class TimeLimits:
    """The limits of a class's seats, on disk. Safe to use from several threads and processes."""

    def __init__(self, found: LoadedClass) -> None:
        """Raises Unavailable."""
        self._class = found
        self._database = Database(Path(class_state(found) / DATABASE), _SCHEMA)

    def begin(self, seats: Iterable[str]) -> None:
        """Start the time of these seats, unless it runs already. A lifetime that is over begins anew: what it
        was for is gone."""
        now = datetime.now(UTC)
        with self._database.opened() as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody adds meanwhile
            known = _limits(connection)
            over = [seat for seat in seats if seat not in known or self._begins_anew(known[seat], now)]
            connection.executemany(_SET, [(seat, now.isoformat(), 0.0) for seat in over])

    def extend(self, seats: Iterable[str], seconds: float) -> None:
        """Add to the time of these seats; where it is over, from now on. Raises SpecError for more than a
        year."""
        if seconds > MOST_SECONDS:
            raise SpecError(
                "that is more than a year at once", hint="such as 15min or 1h; `ends:` is the end of all"
            )
        now = datetime.now(UTC)
        with self._database.opened() as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody adds meanwhile
            known = _limits(connection)
            longer = {
                seat: extended(self._class, known.get(seat, TimeLimit(now)), seconds, now) for seat in seats
            }
            connection.executemany(
                _SET, [(seat, limit.began.isoformat(), limit.added) for seat, limit in longer.items()]
            )

    def end(self, seats: Iterable[str]) -> None:
        """Forget these seats: their machines are down, and their time begins anew with the next."""
        with self._database.opened() as connection:
            connection.executemany("DELETE FROM time_limits WHERE seat = ?", [(seat,) for seat in seats])

    def ends(self) -> dict[str, datetime]:
        """Return when the time of each seat that is up ends; without an end there is no entry."""
        with self._database.opened() as connection:
            limits = _limits(connection)
        found = {seat: end_of(self._class, limit) for seat, limit in limits.items()}
        return {seat: end for seat, end in found.items() if end is not None}

    def _begins_anew(self, limit: TimeLimit, now: datetime) -> bool:
        end, next_end = end_of(self._class, limit), end_of(self._class, TimeLimit(now))
        return end is not None and next_end is not None and end <= now < next_end


def _limits(connection: sqlite3.Connection) -> dict[str, TimeLimit]:
    rows = connection.execute("SELECT seat, began, added FROM time_limits").fetchall()
    return {seat: TimeLimit(datetime.fromisoformat(began), added) for seat, began, added in rows}


def extended(found: LoadedClass, limit: TimeLimit, seconds: float, now: datetime) -> TimeLimit:
    """Return a limit with so many seconds more, counted from ``now`` if it is over. Pure."""
    end = end_of(found, limit)
    over = max(0.0, (now - end).total_seconds()) if end is not None else 0.0
    return replace(limit, added=limit.added + over + seconds)


def end_of(found: LoadedClass, limit: TimeLimit) -> datetime | None:
    """Return when a seat's time ends, None if it does not: the class's end or that of the lifetime, whichever
    is earlier, plus what was added. Pure."""
    ends = [found.spec.end] if found.spec.end else []
    if found.spec.lifetime is not None:
        ends.append(_later(limit.began, found.spec.lifetime))
    return _later(min(ends), limit.added) if ends else None


def _later(moment: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds later, in UTC, and never one after ``LATEST``."""
    if (LATEST - moment).total_seconds() <= seconds:
        return LATEST
    return moment.astimezone(UTC) + timedelta(seconds=seconds)


def with_time(found: LoadedClass, seats: Sequence[Seat]) -> list[Seat]:
    """Return those of these seats whose time is not over, or begins if they come up now: the class goes on,
    or they were given more. Raises Unavailable."""
    now = datetime.now(UTC)
    if found.spec.end is None or found.spec.end > now:
        return list(seats)
    ends = TimeLimits(found).ends()
    return [seat for seat in seats if seat.name in ends and ends[seat.name] > now]
