"""Whether all machines gave the same answers, and if that cannot be said, why not. Pure.

It can be said only if every machine ran every exercise to an end of its own, and all that was observed,
printed and how it ended are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.record import Record, Status
from orchestrator.results.comparison import Cell, Section, Table, ending_value, printed_value
from orchestrator.results.ending import ending_of


def reservations(table: Table) -> tuple[str, ...]:
    """Return what stands against "all machines gave the same answers", besides rows that differ; at most a
    line for each kind of reason."""
    return tuple(_reservations(table))


def all_alike(table: Table) -> bool:
    """Return whether all machines gave the same answers to everything."""
    return bool(table.sections) and not any(row.differs for row in table.rows) and not reservations(table)


def _reservations(table: Table) -> Iterator[str]:
    if table.about.incomplete:
        yield f"the run is not complete: {table.about.incomplete}"
    if silent := _machines(table, _no_answer):
        yield f"not every exercise ran on {silent}"
    if stopped := _machines(table, _stopped):
        yield f"programs were stopped or killed on {stopped}"
    for words, differs in (("ended", _ended), ("printed", _printed)):
        if names := [section.name for section in table.sections if differs(section)]:
            yield f"programs {words} differently in {', '.join(names)}"


def _machines(table: Table, holds: Callable[[Cell], bool]) -> str:
    places = enumerate(table.machines)
    return ", ".join(
        column.name
        for place, column in places
        if any(holds(section.cells[place]) for section in table.sections)
    )


def _no_answer(cell: Cell) -> bool:
    return cell.record is None or ending_of(cell.record).by == "nobody"


def _stopped(cell: Cell) -> bool:
    return cell.record is not None and ending_of(cell.record).by in ("isolab", "kernel", "unknown")


def _answered(section: Section) -> list[Cell]:
    return [cell for cell in section.cells if cell.status in (Status.PASS, Status.FAIL)]


def _ended(section: Section) -> bool:
    return len({ending_value(cell)[1] for cell in _answered(section)}) > 1


def _printed(section: Section) -> bool:
    cells = _answered(section)
    streams = (printed_value("stdout"), printed_value("stderr"))
    unknown = any(cell.record and _lost(cell.record) for cell in cells)
    return unknown or any(len({printed(cell)[1] for cell in cells}) > 1 for printed in streams)


def _lost(record: Record) -> bool:
    """Return whether output was cut without a digest of all of it."""
    return record.cut and not (record.stdout_sha256 and record.stderr_sha256)
