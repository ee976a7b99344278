"""``handouts.csv``: a row for each student, for mail merge.

No cell is a formula, so that the file can be opened in a spreadsheet. A handout may be written for some
students only: the rows of the others stay as they are.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from orchestrator.errors import SpecError
from orchestrator.gradebook.csv import id_cell, read_id
from orchestrator.report.csv import cell
from orchestrator.submissions.model import Student

COLUMNS = ("id", "name", "email", "group", "login", "fingerprints", "link", "certificate", "page")


@dataclass(frozen=True)
class Row:
    """What a student's letter needs. ``login`` is the line to type, ``page`` the name of the HTML file."""

    student: Student
    login: str
    fingerprints: str
    link: str
    certificate: str
    page: str


def render(rows: Sequence[Row], kept: Mapping[str, Sequence[str]], order: Sequence[str]) -> str:
    """Render the table with a header line, by the ids in ``order``. ``kept`` are cells of students without a
    new row, by id, as ``read`` returned them; those of ids that are not in ``order`` are left out."""
    new = {row.student.id: _cells(row) for row in rows}
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    found = {**kept, **new}
    for one in order:
        if one in found:
            writer.writerow(found[one])
    return text.getvalue()


def read(text: str, name: str) -> dict[str, list[str]]:
    """Return the cells of a table that ``render`` made, by id. Raises SpecError if it is another table, so
    that nothing of somebody else's is overwritten; ``name`` is the file's."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows = list(csv.reader(StringIO(text, newline="")))
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise SpecError(
            f"{name} is not a table of handouts as isolab writes it",
            hint="move it away, or choose another folder with --out",
        )
    return {read_id(row[0]): row for row in rows[1:]}


def _cells(row: Row) -> list[str]:
    student = row.student
    about = (student.name, student.email, student.group, row.login, row.fingerprints)
    return [id_cell(student.id), *map(cell, (*about, row.link, row.certificate, row.page))]
