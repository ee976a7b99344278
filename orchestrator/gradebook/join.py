"""Find the students of a gradebook in a platform's table. Nobody is guessed: who is not found is named."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.formatting import printable
from orchestrator.gradebook.counted import Total
from orchestrator.submissions.identify import forms


@dataclass(frozen=True)
class Listed:
    """A person in a platform's table: ``row`` is where, ``number`` the platform's own; ``texts`` are cells
    that may be the student's id or e-mail address, ``name`` is the full name, in any order of its words."""

    row: int
    number: str
    name: str
    texts: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Who that is, in words for people."""
        return printable(f"{self.number} ({self.name})" if self.name else self.number)


@dataclass(frozen=True)
class Joined:
    """Who is in which row, and, in words, who is not found on the one side or the other."""

    rows: Mapping[int, Total]
    notes: tuple[str, ...]


def join(listed: Sequence[Listed], totals: Sequence[Total], table: str) -> Joined:
    """Find the students in the rows of a ``table``, as messages call it: by the platform's number; else by
    e-mail address; else by id; else by the full name. What two rows or two students share decides nothing,
    nor does a number when name and address say that this is somebody else: another assignment has other
    numbers.
    """
    rows: dict[int, Total] = {}
    _match(rows, listed, totals, lambda row: [row.number], lambda one: one.numbers, agree=True)
    _match(rows, listed, totals, _lowered, lambda one: [one.student.email.strip().casefold()])
    _match(rows, listed, totals, _lowered, lambda one: [one.student.id.strip().casefold()])
    _match(rows, listed, totals, lambda row: [_name(row.name)], lambda one: [_name(one.student.name)])
    found = {one.student.id for one in rows.values()}
    strangers = [f"{row.words}: in the {table}, not among the graded students" for row in listed]
    missing = [
        f"{_words(one)}: graded, not found in the {table}"
        for one in totals
        if one.student.id not in found and not one.unclear
    ]
    kept = [words for row, words in zip(listed, strangers, strict=True) if row.row not in rows]
    return Joined(rows, (*kept, *missing))


def _words(one: Total) -> str:
    return printable(f"{one.student.id} ({one.student.name})" if one.student.name else one.student.id)


def _match(
    rows: dict[int, Total],
    listed: Sequence[Listed],
    totals: Sequence[Total],
    of_row: Callable[[Listed], Iterable[str]],
    of_student: Callable[[Total], Iterable[str]],
    *,
    agree: bool = False,
) -> None:
    """Add to ``rows`` the pairs of rows and students that alone share a key; ``agree``: unless the rest of
    the row contradicts it."""
    in_rows: dict[str, list[Listed]] = {}
    of_students: dict[str, list[Total]] = {}
    for row in listed:
        for key in {*of_row(row)} - {""}:
            in_rows.setdefault(key, []).append(row)
    for one in totals:
        for key in {*of_student(one)} - {""}:
            of_students.setdefault(key, []).append(one)
    taken = {one.student.id for one in rows.values()}
    for key, [row, *more] in in_rows.items():
        match of_students.get(key, []):
            case [one] if not more and row.row not in rows and one.student.id not in taken:
                if not agree or _may_be(row, one):
                    rows[row.row] = one
                    taken.add(one.student.id)


def _may_be(row: Listed, one: Total) -> bool:
    """Whether nothing says that a row is another person's: something else agrees, or nothing can be
    compared."""
    student, texts = one.student, _lowered(row)
    compared = [_share_name(row.name, student.name)] * bool(row.name and student.name)
    if any("@" in text for text in texts) and student.email:
        compared.append(student.email.strip().casefold() in texts)
    return not compared or any(compared) or student.id.strip().casefold() in texts


def _share_name(one: str, other: str) -> bool:
    """Whether two names have a word in common, or are the same without their spaces, which Canvas leaves out
    of names of files."""
    words = {*_name(one).split()} & {*_name(other).split()}
    return bool(words or forms(one, squeezed=True) & forms(other, squeezed=True))


def _lowered(row: Listed) -> list[str]:
    return [text.strip().casefold() for text in row.texts]


def _name(text: str) -> str:
    """A name's words in a fixed order, without accents and punctuation: ``Müller, Dora`` is ``Dora
    Muller``."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(sorted(re.findall(r"\w+", bare.replace("_", " "))))
