"""What grading again changed: who rose, fell or stayed, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.formatting import printable
from orchestrator.grading.receipts import Graded
from orchestrator.grading.store import Verdicted
from orchestrator.record import Record, Status


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
    if first.status is other.status and first.points == other.points and not _held_otherwise(first, other):
        return ()
    return tuple(_differences(first, other))


def _change(place: Graded, before: Verdicted, after: Verdicted) -> Change:
    old, new = _points(before.record), _points(after.record)
    moved = Moved.STAYED
    if old != new:
        moved = Moved.ROSE if _or_nothing(old) < _or_nothing(new) else Moved.FELL
    why = [f"{words} changed" for words in before.inputs.changed(after.inputs)]
    return Change(place, moved, old, new, tuple(why + _differences(before.record, after.record)))


def _differences(old: Record, new: Record) -> list[str]:
    """Return which checks had another result, or how the records differ otherwise."""
    words = _held_otherwise(old, new)
    if not words and _points(old) != _points(new):
        reason = printable((new.reason or old.reason).partition("\n")[0])
        words.append(f"{old.status} before, {new.status} now: {reason}")
    return words or ["nothing else"]


def _held_otherwise(old: Record, new: Record) -> list[str]:
    held = {(one.that, one.expected, one.hidden): one for one in old.checks}
    words = []
    for one in new.checks:
        was = held.get((one.that, one.expected, one.hidden))
        if was is not None and was.held != one.held:
            verb = "now holds" if one.held else "no longer holds"
            words.append(f"{printable(one.that)} {verb} (was {printable(was.got)}, is {printable(one.got)})")
    return words


def _points(record: Record) -> float | None:
    return record.points if record.status in (Status.PASS, Status.FAIL) else None


def _or_nothing(points: float | None) -> float:
    """Return points as a number: no result is less than any."""
    return -1.0 if points is None else points


def _shown(points: float | None) -> str:
    return "no result" if points is None else f"{points:g}"
