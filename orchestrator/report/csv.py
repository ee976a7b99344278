"""The report as comma-separated values, one line per record, for spreadsheets and gradebooks."""

from __future__ import annotations

import csv
from io import StringIO

from orchestrator.formatting import printable
from orchestrator.results.comparison import Table

COLUMNS = (
    "student", "machine", "boundary", "arch", "exercise", "status", "points", "max_points", "reason",
)  # fmt: skip
# Full-width forms too: spreadsheets in some languages treat them like the plain ones.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def render(table: Table) -> str:
    """Render the report with a header line; no cell spans lines or is a formula."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in table.records():
        writer.writerow([_cell(getattr(record, column)) for column in COLUMNS])
    return text.getvalue()


def _cell(value: str | float) -> str:
    if not isinstance(value, str):
        return f"{value:g}"
    text = printable(" | ".join(line.strip() for line in value.splitlines()) if "\n" in value else value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
