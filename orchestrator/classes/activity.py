"""What happened in a class, with its time: logins, checks, hand-ins, what was collected and reset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import DATABASE, class_state
from orchestrator.host.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS activity (
    seat TEXT NOT NULL, kind TEXT NOT NULL, lab TEXT NOT NULL, exercise TEXT NOT NULL, detail TEXT NOT NULL,
    points REAL, most REAL, time TEXT NOT NULL
)
"""


class Kind(StrEnum):
    """What can happen at a seat."""

    CAME = "came"
    LEFT = "left"
    CHECKED = "checked"
    HANDED_IN = "handed in"
    COLLECTED = "collected"
    RESET = "reset"
    MESSAGE = "message"


BROWSER = "in a browser"
"""``detail`` of who came, or left, by the class's pages."""


@dataclass(frozen=True)
class Event:
    """Something that happened at a seat. ``lab`` and ``exercise`` are names, "" where it is about none;
    ``detail`` is one printable line. ``points`` of ``most`` are a check's. ``time`` has a time zone."""

    seat: str
    kind: Kind
    lab: str = ""
    exercise: str = ""
    detail: str = ""
    points: float | None = None
    most: float | None = None
    time: datetime | None = None


class Activity:
    """The events of a class, on disk. Safe to use from several threads and processes."""

    def __init__(self, found: LoadedClass) -> None:
        """Raises Unavailable."""
        self._database = Database(Path(class_state(found) / DATABASE), _SCHEMA)

    def add(self, event: Event) -> None:
        """Record an event, at this moment unless it has a time."""
        time = (event.time or datetime.now(UTC)).astimezone(UTC)
        row = (
            event.seat,
            event.kind.value,
            event.lab,
            event.exercise,
            event.detail,
            event.points,
            event.most,
        )
        with self._database.opened() as connection:
            connection.execute(
                "INSERT INTO activity VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, time.isoformat())
            )

    def events(self, kinds: Iterable[Kind] = tuple(Kind)) -> list[Event]:
        """Return all events of these kinds, oldest first."""
        wanted = [kind.value for kind in kinds]
        marks = ", ".join("?" * len(wanted))
        with self._database.opened() as connection:
            rows = connection.execute(
                f"SELECT * FROM activity WHERE kind IN ({marks}) ORDER BY time, rowid", wanted
            ).fetchall()
        return [
            Event(seat, Kind(kind), lab, exercise, detail, points, most, datetime.fromisoformat(time))
            for seat, kind, lab, exercise, detail, points, most, time in rows
        ]
