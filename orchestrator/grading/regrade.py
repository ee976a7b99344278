"""What grading again changed: who rose, fell or stayed, and why. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO

from orchestrator.formatting import printable
from orchestrator.grading.differences import differences, same_verdict
from orchestrator.grading.receipts import Graded
from orchestrator.grading.store import Verdicted
from orchestrator.record import Record, Status
from orchestrator.report.csv import cell

MOST_WORDS = 4
"""Differences that are told of one verdict."""
NAMED = 3
"""Students named in a line about several."""
POLICY = "the policy"
"""What changed of points that are not those of one machine."""
CHANGES = "changes.csv"
"""File of what the last grading changed, in the folder of grades."""


class Moved(StrEnum):
    """Where the points went."""

    ROSE = "rose"
    FELL = "fell"
    STAYED = "stayed"


@dataclass(frozen=True)
class Change:
    """One verdict before and after; points are None without a result. ``inputs`` names what it depends on and
    is not the same, ``details`` what differs in the result, hidden tests included."""

    place: Graded
    moved: Moved
    before: float | None
    after: float | None
    inputs: tuple[str, ...]
    details: tuple[str, ...]


def changes(before: Mapping[Graded, Verdicted], after: Mapping[Graded, Verdicted]) -> list[Change]:
    """Return what became of each verdict that is in both, in the order of ``after``."""
    return [_change(place, before[place], now) for place, now in after.items() if place in before]


def summary(found: Iterable[Change]) -> str:
    """Return in one line how many rose, fell and stayed."""
    moved = [change.moved for change in found]
    return ", ".join(f"{moved.count(word)} {word}" for word in Moved)


def told(found: Iterable[Change]) -> list[str]:
    """Return a line for all that rose or fell in one exercise on one machine for the same reason."""
    alike: dict[tuple[str, str, Moved, tuple[str, ...]], list[Change]] = {}
    for one in found:
        if one.moved is not Moved.STAYED:
            alike.setdefault((one.place.exercise, one.place.machine, one.moved, one.inputs), []).append(one)
    return [_line(*key, changed) for key, changed in alike.items()]


def _line(exercise: str, machine: str, moved: Moved, inputs: tuple[str, ...], changed: list[Change]) -> str:
    why = f"because {' and '.join(inputs)} changed" if inputs else "though nothing it depends on changed"
    where = f" on {machine}" if machine else ""
    who = [f"{one.place.student} {_shown(one.before)} to {_shown(one.after)}" for one in changed[:NAMED]]
    more = f", and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return printable(f"{exercise}{where}: {len(changed)} {moved} {why}: {', '.join(who)}{more}")


def render(found: Iterable[Change]) -> str:
    """Return all changes as CSV, with every detail: for the lecturer alone."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("student", "exercise", "machine", "attempt", "moved", "before", "after", "why"))
    for one in found:
        why = [*(f"{words} changed" for words in one.inputs), *one.details]
        points = ["" if value is None else value for value in (one.before, one.after)]
        place = [cell(text) if isinstance(text, str) else text for text in one.place]
        writer.writerow([*place, one.moved, *points, cell("; ".join(why))])
    return text.getvalue()


def differing(first: Record, other: Record) -> tuple[str, ...]:
    """Return in words what two records of the same work differ in: points, checks, status; () if in nothing
    that matters."""
    return () if same_verdict(first, other) else differences(first, other)[:MOST_WORDS]


def _change(place: Graded, before: Verdicted, after: Verdicted) -> Change:
    old, new = _points(before.record), _points(after.record)
    moved = Moved.STAYED
    if old != new:
        moved = Moved.ROSE if _or_nothing(old) < _or_nothing(new) else Moved.FELL
    same = same_verdict(before.record, after.record)
    details = () if same else differences(before.record, after.record)[:MOST_WORDS]
    return Change(place, moved, old, new, before.inputs.changed(after.inputs), details)


def _points(record: Record) -> float | None:
    return record.points if record.status in (Status.PASS, Status.FAIL) else None


def _or_nothing(points: float | None) -> float:
    """Return points as a number: no result is less than any."""
    return -1.0 if points is None else points


def _shown(points: float | None) -> str:
    return "no result" if points is None else f"{points:g}"
