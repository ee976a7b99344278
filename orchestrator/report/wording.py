"""The words and symbols that all reports for people share."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.contrast import MachineColumn, Missing, Remark, Row, Section, Table
from orchestrator.record import Status
from orchestrator.report.summary import Tally
from orchestrator.spec import Check
from orchestrator.values import bounded, format_value, printable

SYMBOLS = {Status.PASS: "✓", Status.FAIL: "✗", Status.ERROR: "!", Status.SKIP: "–"}
NOT_RUN = "·"
_REASON_LIMIT = 300


def symbol(status: Status | None) -> str:
    """The mark of a status; None is "not run"."""
    return NOT_RUN if status is None else SYMBOLS[status]


def legend() -> str:
    marks = [f"{mark} {status}" for status, mark in SYMBOLS.items()]
    return "   ".join([*marks, f"{NOT_RUN} not run"])


def title(table: Table) -> str:
    """The labs and runs a table is about, printable and bounded."""
    runs = ", ".join(f"run {run}" for run in table.runs)
    return bounded(printable(" — ".join(part for part in (", ".join(table.labs), runs) if part)), 100)


def heading(section: Section) -> str:
    """An exercise's name and title."""
    name = printable(section.name)
    return f"{name} — {printable(section.title)}" if section.title else name


def counts(tally: Tally) -> str:
    """``34 pass, 2 fail, 1 error, 3 skip``."""
    return ", ".join(f"{number} {status}" for status, number in tally.counts.items())


def points(tally: Tally) -> str:
    """``31 of 36 points``; errors and skips are in neither number."""
    return f"{number(tally.points)} of {number(tally.max_points)} points"


def number(value: float) -> str:
    return format_value(float(value))


def duration(seconds: float) -> str:
    """Seconds as ``0.4 s``, ``75 s`` or ``3 min 5 s``."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def reason(text: str) -> str:
    """A record's reason, printable and bounded."""
    return bounded(printable(text), _REASON_LIMIT)


def remark(item: Remark) -> str:
    """``✗ fail on vm, s390x: why``."""
    where = f"{symbol(item.status)} {item.status} on {', '.join(item.machines)}"
    return f"{where}: {reason(item.reason)}" if item.reason else where


def silent(row: Row, columns: Sequence[MachineColumn]) -> tuple[str, ...]:
    """The machines that gave no value for ``row``."""
    pairs = zip(columns, row.values, strict=True)
    return tuple(column.name for column, value in pairs if isinstance(value, Missing))


def agreed(row: Row, columns: Sequence[MachineColumn]) -> str:
    """The one value of a row on which no machines differ, and who did not answer."""
    if not row.groups:
        return "no answer"
    quiet = silent(row, columns)
    without = f" (no answer: {', '.join(quiet)})" if quiet else ""
    return f"{row.groups[0].text}{without}"


def cause(row: Row) -> str:
    """What the values of a row go with, in words for a narrow column."""
    return "no answer" if row.cause == "unanswered" else row.cause


def expectation(check: Check) -> str:
    """``capacity equals 65536: 16 pages of 4 KiB (1 point)``."""
    wanted = format_value(getattr(check, check.comparison), 80)
    worth = f"({number(check.points)} point{'' if check.points == 1 else 's'})"
    why = f": {printable(check.why)}" if check.why else ""
    return f"{printable(check.that)} {check.comparison.replace('_', ' ')} {wanted}{why} {worth}"
