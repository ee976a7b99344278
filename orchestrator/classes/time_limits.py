"""Until when the machines of each seat stay up: the class's end or lifetime, and what was added to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import DATABASE, class_state
from orchestrator.host.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS time_limits (seat TEXT PRIMARY KEY, began TEXT NOT NULL, added REAL NOT NULL)
"""


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
        """Start the time of these seats, unless it runs already."""
        rows = [(seat, datetime.now(UTC).isoformat()) for seat in seats]
        with self._database.opened() as connection:
            connection.executemany("INSERT OR IGNORE INTO time_limits VALUES (?, ?, 0)", rows)

    def extend(self, seats: Iterable[str], seconds: float) -> None:
        """Add to the time of these seats."""
        names = list(seats)
        self.begin(names)
        with self._database.opened() as connection:
            connection.executemany(
                "UPDATE time_limits SET added = added + ? WHERE seat = ?", [(seconds, seat) for seat in names]
            )

    def end(self, seats: Iterable[str]) -> None:
        """Forget these seats: their machines are down, and their time begins anew with the next."""
        with self._database.opened() as connection:
            connection.executemany("DELETE FROM time_limits WHERE seat = ?", [(seat,) for seat in seats])

    def ends(self) -> dict[str, datetime]:
        """Return when the time of each seat that is up ends; without an end there is no entry."""
        with self._database.opened() as connection:
            rows = connection.execute("SELECT seat, began, added FROM time_limits").fetchall()
        limits = {seat: TimeLimit(datetime.fromisoformat(began), added) for seat, began, added in rows}
        found = {seat: end_of(self._class, limit) for seat, limit in limits.items()}
        return {seat: end for seat, end in found.items() if end is not None}


def end_of(found: LoadedClass, limit: TimeLimit) -> datetime | None:
    """Return when a seat's time ends, None if it does not: the class's end or that of the lifetime, whichever
    is earlier, plus what was added. Pure."""
    ends = [found.spec.end] if found.spec.end else []
    if found.spec.lifetime is not None:
        ends.append(limit.began + timedelta(seconds=found.spec.lifetime))
    return min(ends).astimezone(UTC) + timedelta(seconds=limit.added) if ends else None
