"""What is due in a class at a moment: warnings before the time of a seat is up, its end, the next collection.
Pure: ``service`` does what is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

WARNINGS = (15, 5, 1)
"""Minutes before the end at which a student is told."""


@dataclass(frozen=True)
class Warn:
    """Tell a seat that its time is up in so many minutes."""

    seat: str
    minutes: int


@dataclass(frozen=True)
class End:
    """Collect a seat's work, and take its machines down."""

    seat: str


@dataclass(frozen=True)
class CollectAll:
    """Copy the home folders of everybody."""


Due = Warn | End | CollectAll


def due(
    ends: Mapping[str, datetime],
    before: datetime,
    now: datetime,
    *,
    collected: datetime,
    every: float | None,
) -> list[Due]:
    """Return what has become due after ``before``, until ``now``; of several warnings of a seat, the last.

    ``ends`` says when the time of a seat is up, ``collected`` when the last collection began, ``every`` after
    how many seconds the next is due (None: never by itself). A seat whose time is up is due at each call: it
    may not have worked the time before.
    """
    found: list[Due] = []
    for seat, end in ends.items():
        if now >= end:
            found.append(End(seat))
            continue
        crossed = [left for left in WARNINGS if before < end - timedelta(minutes=left) <= now]
        if crossed:
            found.append(Warn(seat, min(crossed)))
    if every is not None and (now - collected).total_seconds() >= every:
        found.append(CollectAll())
    return found


def warning(minutes: int) -> str:
    """Return what a student is told."""
    left = "1 minute" if minutes == 1 else f"{minutes} minutes"
    return (
        f"Your time is up in {left}. Save your files: what is in your home folder then is collected, and "
        "this machine is taken down."
    )
