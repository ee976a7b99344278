"""Fill in a column of a platform's table: the same rules for every platform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.errors import SpecError
from orchestrator.gradebook.counted import Total
from orchestrator.gradebook.join import Joined, Listed
from orchestrator.gradebook.points import points_text
from orchestrator.gradebook.sheet import Sheet


@dataclass(frozen=True)
class Filled:
    """A table filled in: its bytes, who is in which row, and what was left as it was, in words, a line
    each. ``scaled`` says how points are not the lab's own, if they are not."""

    data: bytes
    joined: Joined
    who: Mapping[int, Listed]
    notes: tuple[str, ...]
    scaled: tuple[str, ...] = ()

    def also(self, notes: Iterable[str]) -> Filled:
        """Return the same with more notes before the others."""
        return replace(self, notes=(*notes, *self.notes))


def fill(
    sheet: Sheet,
    column: int,
    most: float,
    joined: Joined,
    who: Mapping[int, Listed],
    frozen: Mapping[int, str],
    *,
    comma: bool,
) -> Filled:
    """Fill in the points in ``column``, scaled so that the lab's maximum is ``most``.

    ``frozen`` says of rows why they stay as they are. So do the rows of students without a result, and of
    those who handed in nothing but have a grade, which somebody must have given them. Raises SpecError for a
    lab without points.
    """
    values: dict[tuple[int, int], str] = {}
    notes: list[str] = []
    for row, total in sorted(joined.rows.items()):
        if why := frozen.get(row) or _left(total, sheet.cell(row, column).number):
            notes.append(f"{who[row].words}: left as it is: {why}")
            continue
        if total.points is None or not total.max_points:
            raise SpecError("the exercises of this lab have no points, so there are no grades to fill in",
                            hint="give their checks `points:`")  # fmt: skip
        values[row, column] = grade_text(total.points * most / total.max_points, comma=comma)
    return Filled(sheet.filled(values), joined, who, (*notes, *joined.notes), _scaled(joined, most))


def _scaled(joined: Joined, most: float) -> tuple[str, ...]:
    """Say that points are not the lab's own, if they are not."""
    own = {total.max_points for total in joined.rows.values()} - {0.0, most}
    return tuple(
        f"points are scaled: {points_text(each)} in this lab are {points_text(most)} there"
        for each in sorted(own)
    )


def _left(total: Total, there: float | None) -> str:
    if total.unclear:
        return "a submission may be this student's, and nobody could tell whose it is"
    if total.points is None:
        return "there is no result yet"
    if not total.handed_in and there is not None:
        return "nothing was handed in, but there is a grade"
    return ""


def grade_text(points: float, *, comma: bool) -> str:
    """Return a grade with two decimals, as the platforms show it."""
    text = f"{points:.2f}"
    return text.replace(".", ",") if comma else text


def decimal_comma(sheet: Sheet, columns: Sequence[int]) -> bool:
    """Return whether numbers in these columns have a decimal comma; if none has decimals, a sheet delimited
    by semicolons is from a place that writes commas."""
    texts = [cell.text for place in columns for cell in sheet.column(place) if cell.number is not None]
    marks = {mark for text in texts for mark in ".," if mark in text}
    return "," in marks or (not marks and sheet.delimiter == ";")
