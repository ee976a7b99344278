"""A warning where measurements were taken on a busy host: their times are too long. Pure."""

from __future__ import annotations

from orchestrator.formatting import printable
from orchestrator.labfile.models import ANSWERS
from orchestrator.record import Record
from orchestrator.results.comparison import Table

BUSY_PERCENT = 20.0
"""Contention above which measurements are doubtful."""


def warning(table: Table) -> str:
    """Return a warning with the busiest measurement; "" where nothing was measured or the host was idle."""
    found = [
        (busy, printable(section.name), column.name)
        for section in table.sections
        if section.plots
        for cell, column in zip(section.cells, table.machines, strict=True)
        if cell.record and (busy := contention(cell.record)) > BUSY_PERCENT
    ]
    if not found:
        return ""
    busy, exercise, machine = max(found, key=lambda each: each[0])
    others = f" (and in {len(found) - 1} more)" if len(found) > 1 else ""
    return (
        f"The host was busy: while {exercise} was measured on {machine}, programs waited for a processor for "
        f"{busy:.0f} % of the time{others}. Times may be too long; measure again on an idle host."
    )


def contention(record: Record) -> float:
    """Return the contention in percent while a record was made; 0 where it is unknown."""
    observed = record.observations.get(ANSWERS["contention"])
    known = record.contention if record.contention is not None else observed
    return float(known) if isinstance(known, int | float) and not isinstance(known, bool) else 0.0
