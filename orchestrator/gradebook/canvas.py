"""Back into Canvas: one assignment's column of the exported gradebook filled in.

Which one is never guessed, and none is added: of a column whose title and id it does not know, Canvas makes a
new assignment. Its importer (``lib/gradebook_importer.rb``) knows columns by the id in their title,
``Title (123)``, students by their id, and reads decimal points and commas alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from orchestrator.errors import SpecError
from orchestrator.formatting import printable
from orchestrator.gradebook.counted import Total
from orchestrator.gradebook.filling import Filled, decimal_comma, fill
from orchestrator.gradebook.join import Listed, join
from orchestrator.gradebook.points import points_text
from orchestrator.gradebook.sheet import Sheet

_ASSIGNMENT = re.compile(r"(.*\S)\s*\((\d+)\)")
_TOTALS = re.compile(r"(Current|Final) (Score|Points|Grade)|Override (Score|Grade|Status)")
_HIDDEN = re.compile(r"\s*(Muted|Manual Posting.*)?\s*", re.IGNORECASE)
_WHO = ("SIS User ID", "SIS Login ID", "Integration ID")
_POSSIBLE = "Points Possible"
_FROZEN = {"N/A": "the assignment is not this student's", "EX": "the student is excused"}


def column_of(sheet: Sheet, wanted: str, titles: Sequence[str]) -> int:
    """Return the column to fill in: ``wanted`` is a title or an id from the command line; without it, the
    only assignment with one of the ``titles`` of the lab, or the only one at all. Raises SpecError."""
    found = _assignments(sheet)
    if not found:
        raise SpecError(
            f"{sheet.name} has no column of an assignment that can be filled in",
            hint="make the assignment in Canvas first, then export the gradebook again",
        )
    names = [wanted] if wanted else list(titles)
    keys = {name.strip().casefold() for name in names if name.strip()}
    matching = [place for place, known in found.items() if keys & known]
    if not wanted and not matching and len(found) == 1:
        return next(iter(found))
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(printable(sheet.header[place]) for place in matching or found)
    about = f"for {wanted!r}" if wanted else "for this lab"
    raise SpecError(
        f"{sheet.name}: cannot tell which column is the one {about}: {known}",
        hint="name it by its title or by the number in brackets, such as --canvas-column 101",
    )


def _assignments(sheet: Sheet) -> Mapping[int, set[str]]:
    """The columns of assignments, each with what it may be called. Raises SpecError for another file."""
    header = sheet.header
    if not (header[:2] == ("Student", "ID") or header[:3] == ("LastName", "FirstName", "ID")):
        raise SpecError(
            f"{sheet.name} is not a gradebook from Canvas: it does not begin with Student, ID",
            hint="--canvas takes the file from Canvas: in Grades, Export, Export Entire Gradebook",
        )
    possible = _possible_row(sheet)
    found = {}
    for place, title in enumerate(header):
        read = _ASSIGNMENT.fullmatch(title)
        is_fixed = possible is not None and "read only" in sheet.cell(possible, place).text
        if read and not _TOTALS.search(title) and not is_fixed:
            found[place] = {name.casefold() for name in (title, read[1], read[2])}
    return found


def _possible_row(sheet: Sheet) -> int | None:
    rows = range(1, len(sheet.rows))
    return next((row for row in rows if _POSSIBLE in sheet.cell(row, 0).text), None)


def fill_gradebook(sheet: Sheet, totals: Sequence[Total], wanted: str, titles: Sequence[str]) -> Filled:
    """Fill in a column, see ``column_of``, scaled to its possible points. Raises SpecError."""
    column, possible = column_of(sheet, wanted, titles), _possible_row(sheet)
    listed = gradebook_people(sheet)
    most = sheet.cell(possible, column).number if possible is not None else None
    notes = []
    if not most:
        most = max((total.max_points for total in totals), default=0.0)
        notes.append(
            f"the gradebook does not say how many points are possible: filled in are the lab's own, "
            f"of {points_text(most)}"
        )
    there = {each.row: sheet.cell(each.row, column).text.strip().upper() for each in listed}
    frozen = {row: _FROZEN[text] for row, text in there.items() if text in _FROZEN}
    comma = decimal_comma(sheet, [column])
    joined = join(listed, totals, "gradebook of Canvas")
    return fill(sheet, column, most, joined, {each.row: each for each in listed}, frozen, comma=comma).also(
        notes
    )


def gradebook_people(sheet: Sheet) -> list[Listed]:
    """Return who is in a gradebook."""
    return [_listed(sheet, row) for row in range(1, len(sheet.rows)) if _is_student(sheet, row)]


def _is_student(sheet: Sheet, row: int) -> bool:
    """Whether a row is a student's, not about the assignments."""
    return _POSSIBLE not in sheet.cell(row, 0).text and not all(
        _HIDDEN.fullmatch(cell.text) for cell in sheet.rows[row]
    )


def _listed(sheet: Sheet, row: int) -> Listed:
    names = 2 if sheet.header[0] == "LastName" else 1
    name = ", ".join(sheet.cell(row, place).text.strip() for place in range(names))
    texts = [sheet.cell(row, place).text for place, title in enumerate(sheet.header) if title in _WHO]
    return Listed(row, sheet.cell(row, names).text.strip(), name, tuple(texts))
