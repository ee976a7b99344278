"""``grades.csv``: a row for each student and exercise, for spreadsheets and other programs.

Points are those after the policy; the cell is empty where there is *no result*: who adds up a column sees a
gap, not a smaller sum. A cell that a spreadsheet would take for a formula begins with an apostrophe. So that
an id can be read back, one that itself begins with an apostrophe gets another: ``read_id`` takes one off.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from orchestrator.gradebook.counted import Counted
from orchestrator.gradebook.points import points_text
from orchestrator.report.csv import cell

COLUMNS = ("id", "name", "group", "exercise", "points", "max", "verdict", "late", "reason")


def render(grades: Sequence[Counted]) -> str:
    """Render the grades that count, with a header line; no cell spans lines or is a formula."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in grades:
        writer.writerow(_row(one))
    return text.getvalue()


def _row(one: Counted) -> list[str]:
    student, grade = one.student, one.grade
    points = "" if one.points is None else points_text(one.points)
    names = [id_cell(student.id), cell(student.name), cell(student.group), cell(grade.exercise)]
    return [*names, points, points_text(grade.max_points), grade.verdict, one.late, cell(one.reason)]


def id_cell(text: str) -> str:
    """Return the cell of an id, which ``read_id`` reads back."""
    return f"'{text}" if text.startswith("'") else cell(text)


def read_id(cell_of_id: str) -> str:
    """Return the id that a cell of the column ``id`` stands for."""
    return cell_of_id.removeprefix("'")
