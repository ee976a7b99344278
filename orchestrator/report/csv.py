"""The report as comma-separated values, one line per record, for spreadsheets and gradebooks.

A result that an incomplete run lacks has a line too, with a status of its own and without points: who adds
up a column sees a gap, not a smaller sum.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO

from orchestrator.formatting import printable
from orchestrator.report import wording
from orchestrator.results.comparison import Table

COLUMNS = (
    "student", "machine", "boundary", "arch", "exercise", "status", "points", "max_points", "reason",
)  # fmt: skip
MISSING, INCOMPLETE = "missing", "incomplete"
"""Statuses of no record: of a result that is not there, and of a run that lacks none but has no end."""
# Full-width forms too: spreadsheets in some languages treat them like the plain ones.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def render(table: Table) -> str:
    """Render the report with a header line; no cell spans lines or is a formula."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in table.records():
        writer.writerow([cell(getattr(record, column)) for column in COLUMNS])
    for line in _lacking(table):
        writer.writerow([cell(line.get(column, "")) for column in COLUMNS])
    return text.getvalue()


def _lacking(table: Table) -> Iterator[dict[str, str]]:
    """Yield a line for each result that an incomplete run lacks; one about the run if it lacks none."""
    words = wording.incomplete(table)
    known = {column.machine: column for column in reversed(table.machines)}
    students = {column.student for column in table.machines}
    student = students.pop() if len(students) == 1 else ""
    for machine, exercise in table.about.missing:
        column = known.get(machine)
        about = {name: getattr(column, name) for name in ("boundary", "arch")} if column else {}
        named = {"student": student, "machine": machine, "exercise": exercise, "status": MISSING}
        yield {**about, **named, "reason": f"no result. {words}"}
    if words and not table.about.missing:
        yield {"status": INCOMPLETE, "reason": words}


def cell(value: str | float) -> str:
    """Return a value as a cell: one printable line that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return f"{value:g}"
    text = printable(" | ".join(line.strip() for line in value.splitlines()) if "\n" in value else value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
