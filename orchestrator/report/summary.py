"""Totals of a table: counts by status, points, time, and slow machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.record import Record, Status
from orchestrator.results.comparison import MachineColumn, Table


@dataclass(frozen=True)
class Tally:
    """Totals over records. Only *pass* and *fail* add to ``max_points``: the others cost nothing."""

    counts: Mapping[Status, int]
    points: float
    max_points: float
    seconds: float


@dataclass(frozen=True)
class Summary:
    """Totals of the table and of each machine; ``slow`` names machines far above the median time."""

    total: Tally
    machines: tuple[tuple[MachineColumn, Tally], ...]
    slow: tuple[str, ...]


def summarize(table: Table) -> Summary:
    """Return counts, points and seconds of the whole table and of each machine."""
    tallies = tuple((column, _tally(table.records(place))) for place, column in enumerate(table.machines))
    usual = median(tally.seconds for _, tally in tallies) if tallies else 0.0
    slowest = sorted(tallies, key=lambda pair: -pair[1].seconds)
    slow = tuple(column.name for column, tally in slowest[:3] if tally.seconds > 2 * usual)
    return Summary(_tally(table.records()), tallies, slow)


def _tally(records: Sequence[Record]) -> Tally:
    judged = [record for record in records if record.status in (Status.PASS, Status.FAIL)]
    counts = Counter(record.status for record in records)
    return Tally(
        {status: counts[status] for status in Status},
        sum(record.points for record in judged),
        sum(record.max_points for record in judged),
        sum(record.seconds for record in records),
    )
