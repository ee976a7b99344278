"""What grading again changed: who rose, fell or stayed, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.grading.differences import differences, same_verdict
from orchestrator.grading.receipts import Graded
from orchestrator.grading.store import Verdicted
from orchestrator.record import Record, Status

MOST_WORDS = 4
"""Differences that are told of one verdict."""


class Moved(StrEnum):
    """Where the points went."""

    ROSE = "rose"
    FELL = "fell"
    STAYED = "stayed"


@dataclass(frozen=True)
class Change:
    """One verdict before and after; points are None without a result. ``why`` names what differs."""

    place: Graded
    moved: Moved
    before: float | None
    after: float | None
    why: tuple[str, ...]

    def __str__(self) -> str:
        points = f"{_shown(self.before)} to {_shown(self.after)}"
        return f"{self.place}: {self.moved}, {points}: {'; '.join(self.why)}"


def changes(before: Mapping[Graded, Verdicted], after: Mapping[Graded, Verdicted]) -> list[Change]:
    """Return what became of each verdict that is in both, in the order of ``after``."""
    return [_change(place, before[place], now) for place, now in after.items() if place in before]


def summary(found: Iterable[Change]) -> str:
    """Return in one line how many rose, fell and stayed."""
    moved = [change.moved for change in found]
    return ", ".join(f"{moved.count(word)} {word}" for word in Moved)


def differing(first: Record, other: Record) -> tuple[str, ...]:
    """Return in words what two records of the same work differ in: points, checks, status; () if in nothing
    that matters."""
    return () if same_verdict(first, other) else differences(first, other)[:MOST_WORDS]


def _change(place: Graded, before: Verdicted, after: Verdicted) -> Change:
    old, new = _points(before.record), _points(after.record)
    moved = Moved.STAYED
    if old != new:
        moved = Moved.ROSE if _or_nothing(old) < _or_nothing(new) else Moved.FELL
    why = [f"{words} changed" for words in before.inputs.changed(after.inputs)]
    if not same_verdict(before.record, after.record):
        why += differences(before.record, after.record)[:MOST_WORDS]
    return Change(place, moved, old, new, tuple(why or ["nothing else differs"]))


def _points(record: Record) -> float | None:
    return record.points if record.status in (Status.PASS, Status.FAIL) else None


def _or_nothing(points: float | None) -> float:
    """Return points as a number: no result is less than any."""
    return -1.0 if points is None else points


def _shown(points: float | None) -> str:
    return "no result" if points is None else f"{points:g}"
