"""Back into Moodle: the offline grading worksheet filled in, and the zip of feedback files.

The worksheet's columns are found by what is in them, as their titles are in the teacher's language:
participant numbers in the first; then, next to each other, grades and the maximum grade, which is the same
in each row, with "Grade can be changed" soon after. Only cells with a grade change: Moodle ignores a row
whose grade is locked, and one that is newer there than in the sheet (``mod/assign/feedback/offline``).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import SpecError
from orchestrator.formatting import printable
from orchestrator.gradebook.counted import Total
from orchestrator.gradebook.filling import Filled, decimal_comma, fill
from orchestrator.gradebook.join import Listed, join
from orchestrator.gradebook.sheet import Sheet

_NUMBER = re.compile(r"(?:.*\D)?(\d{1,12})\s*", re.DOTALL)
_EMAIL = re.compile(r"\S+@\S+")
_WORDS = {
    "yes": "no", "ja": "nein", "oui": "non", "sí": "no", "sì": "no", "si": "nu", "sim": "não", "da": "ne",
    "tak": "nie", "ano": "ne", "áno": "nie", "igen": "nem", "evet": "hayır", "ναι": "όχι", "да": "нет",
    "так": "ні", "kyllä": "ei", "jah": "ei", "jā": "nē", "taip": "ne", "já": "nei", "bai": "ez",
    "はい": "いいえ", "是": "否", "예": "아니오", "نعم": "لا", "כן": "לא", "có": "không", "ya": "tidak",
}  # fmt: skip
"""Yes and no in the languages of many sites; ``ja`` stands for more than German."""
_NO = frozenset({*_WORDS.values(), "nee", "nej", "не"})
_KNOWN = frozenset(_WORDS) | _NO
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: no time of ours is in the file."""


@dataclass(frozen=True)
class Columns:
    """Where a worksheet's columns are; ``changeable`` is None where its words are of a language not known."""

    grade: int
    maximum: int
    changeable: int | None


def columns_of(sheet: Sheet) -> Columns:
    """Find the columns of a worksheet. Raises SpecError for another file, and one that has no points."""
    rows = range(1, len(sheet.rows))
    if len(sheet.rows) < 2:
        raise SpecError(f"{sheet.name} has no rows below its header", hint="download the worksheet again")
    for row in rows:
        if not _NUMBER.fullmatch(sheet.cell(row, 0).text):
            raise SpecError(
                f"{sheet.name}, line {sheet.lines[row]}: no participant number in the first column",
                hint="--moodle takes Moodle's worksheet: in the assignment, Download grading worksheet",
            )
    found = [place for place in range(1, len(sheet.header) - 2) if _are_grades(sheet, place)]
    if len(found) != 1:
        titles = ", ".join(repr(printable(sheet.header[place])) for place in found)
        raise SpecError(
            f"{sheet.name}: cannot tell which column has the grades" + (f": {titles}" if titles else ""),
            hint="expected are the grades and, right of them, one maximum that is the same in all rows: the "
            "assignment must be graded in points, not on a scale, and the worksheet as it was downloaded",
        )
    [grade] = found
    after = [place for place in (grade + 2, grade + 3) if _are_known(sheet, place)]
    return Columns(grade, grade + 1, after[0] if after else None)


def _are_grades(sheet: Sheet, place: int) -> bool:
    """Whether a column has grades, and the next one the maximum: one number in all rows, then a word in
    all."""
    grades, most, after = (sheet.column(place + by) for by in (0, 1, 2))
    numbers = {cell.number for cell in most}
    return (
        len(numbers) == 1
        and bool(next(iter(numbers)))
        and all(cell.number is not None or cell.text.strip() in ("", "-") for cell in grades)
        and all(cell.text.strip() and cell.number is None for cell in after)
    )


def _are_known(sheet: Sheet, place: int) -> bool:
    words = {cell.text.strip().casefold() for cell in sheet.column(place)}
    return words <= _KNOWN


def fill_worksheet(sheet: Sheet, totals: Sequence[Total]) -> Filled:
    """Fill in the grades, scaled to the sheet's maximum. Raises SpecError for a sheet that is no
    worksheet."""
    columns = columns_of(sheet)
    listed = worksheet_people(sheet, [total.student.id for total in totals])
    joined = join(listed, totals, "worksheet")
    locked, notes = set(), list[str]()
    if columns.changeable is None:
        notes.append(
            "the worksheet is in a language whose yes and no are not known: Moodle skips locked grades"
        )
    else:
        answers = sheet.column(columns.changeable)
        locked = {row for row, cell in enumerate(answers, start=1) if cell.text.strip().casefold() in _NO}
    [most] = {cell.number for cell in sheet.column(columns.maximum)}
    comma = decimal_comma(sheet, (columns.maximum, columns.grade))
    who = {each.row: each for each in listed}
    frozen = {row: "its grade is locked in Moodle" for row in locked}
    return fill(sheet, columns.grade, most or 0.0, joined, who, frozen, comma=comma).also(notes)


def worksheet_people(sheet: Sheet, ids: Collection[str]) -> list[Listed]:
    """Return who is in a worksheet, where the roster has these ``ids``. Raises SpecError."""
    columns = columns_of(sheet)
    telling = _telling(sheet, columns, {one.strip().casefold() for one in ids})
    named = _has_names(sheet, columns)
    return [_listed(sheet, row, telling, named=named) for row in range(1, len(sheet.rows))]


def _has_names(sheet: Sheet, columns: Columns) -> bool:
    """Whether the second column has full names: where marking is blind it has the status, one of a few."""
    second = [cell.text.strip() for cell in sheet.column(1)]
    return columns.grade > 2 and 2 * len(set(second)) > len(second) and not any(map(_EMAIL.fullmatch, second))


def _telling(sheet: Sheet, columns: Columns, ids: set[str]) -> list[int]:
    """Which columns tell who somebody is: of e-mail addresses, or of ids. Others, such as groups, may have
    an id in them by chance."""

    def tells(place: int) -> bool:
        texts = [cell.text.strip().casefold() for cell in sheet.column(place) if cell.text.strip()]
        if all(map(_EMAIL.fullmatch, texts)):
            return True
        return len(set(texts)) == len(texts) and 2 * len(ids.intersection(texts)) >= len(texts)

    return [place for place in range(1, columns.grade) if tells(place)]


def _listed(sheet: Sheet, row: int, telling: Sequence[int], *, named: bool) -> Listed:
    number = _NUMBER.fullmatch(sheet.cell(row, 0).text)
    assert number
    name = sheet.cell(row, 1).text.strip() if named else ""
    return Listed(row, str(int(number[1])), name, tuple(sheet.cell(row, place).text for place in telling))


def feedback_zip(filled: Filled, pages: Mapping[str, bytes]) -> bytes:
    """Return the zip that Moodle takes under "Upload multiple feedback files in a zip": ``pages`` are the
    students' pages by id, of which those in the worksheet are sent."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in sorted(filled.joined.rows):
            student, who = filled.joined.rows[row].student, filled.who[row]
            if student.id in pages:
                name = f"{_folder(who.name)}_{who.number}_assignsubmission_file/feedback.html"
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system, entry.external_attr = 3, 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, pages[student.id])
    return out.getvalue()


def _folder(name: str) -> str:
    """A full name as the beginning of a folder's name: Moodle reads the number after the first underscore."""
    kept = re.sub(r"[^\w '-]|_", " ", name.strip()).strip()
    return kept[:100] or "Participant"
