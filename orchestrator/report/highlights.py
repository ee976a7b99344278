"""Highlights of a table: its differences by likely cause, and the most instructive of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from orchestrator.formatting import counted
from orchestrator.labfile.models import Where
from orchestrator.record import Status
from orchestrator.results.attribution import Attribution
from orchestrator.results.comparison import Remark, Row, Section, Table

CAUSES: tuple[Attribution, ...] = (
    "boundary", "privilege", "architecture", "library", "kernel", "versions", "mixed", "unexplained",
)  # fmt: skip
"""The likely causes of a difference, clearest lessons first."""

_TELLING = 4
_FEW_NAMES = 3
"""Exercises named one by one where a cause kept several from running."""
_EASILY_READ = 24
"""Characters of a value that can be read at a glance."""


class Difference(NamedTuple):
    """A row on which machines differ, and its exercise; ``line`` is the exercise's index in the table."""

    line: int
    section: Section
    row: Row


class Lesson(NamedTuple):
    """The differences with one likely cause in one exercise."""

    line: int
    section: Section
    rows: tuple[Row, ...]


def lessons(table: Table, attribution: Attribution) -> tuple[Lesson, ...]:
    """Return the differences attributed to ``attribution``, by exercise."""
    found = []
    for line, section in enumerate(table.sections):
        rows = tuple(row for row in section.rows if row.differs and row.attribution == attribution)
        if rows:
            found.append(Lesson(line, section, rows))
    return tuple(found)


def telling(table: Table) -> tuple[Difference, ...]:
    """Return up to four highlights: one of each clear cause first, and from different exercises where
    possible; preferably foreseen by a check, with few and short values."""
    left = sorted(_differences(table), key=_difficulty)
    chosen: list[Difference] = []
    for attribution in (*CAUSES[:3], *CAUSES[:3], *CAUSES, *CAUSES):
        taken = {each.line for each in chosen}
        best = next(
            (each for each in left if each.row.attribution == attribution and each.line not in taken), None
        )
        if best and len(chosen) < _TELLING:
            chosen.append(best)
            left.remove(best)
    return tuple(sorted(chosen, key=lambda each: CAUSES.index(each.row.attribution)))


class Exercises(NamedTuple):
    """One or several exercises by a common ``name``, in words."""

    name: str


class Trouble(NamedTuple):
    """Why exercises did not pass, or what is to be said of them, and the index of the first in the table."""

    line: int
    exercises: Exercises
    remark: Remark


class Warned(NamedTuple):
    """What the compiler said of an exercise on whose answers machines differ, and for which of them."""

    line: int
    section: Section
    words: str
    machines: tuple[str, ...]


def warned(table: Table) -> tuple[Warned, ...]:
    """Return the compiler's warnings where answers differ: they are often the reason."""
    found = []
    for line, section in enumerate(table.sections):
        said: dict[str, list[str]] = {}
        for cell, column in zip(section.cells, table.machines, strict=True):
            if cell.record and cell.record.warnings:
                said.setdefault(cell.record.warnings, []).append(column.name)
        if any(row.differs for row in section.rows):
            found += [Warned(line, section, words, tuple(names)) for words, names in said.items()]
    return tuple(found)


def remarks(table: Table) -> list[Trouble]:
    """Return why exercises did not pass, failures first.

    A cause outside of the exercises, which errors and skips have, is told once for all of them that it
    kept from running on the same machines.
    """
    found: dict[Remark | tuple[int, Remark], list[int]] = {}
    for line, _, remark in _remarks(table):
        if remark.status is not Status.PASS:
            alone = remark.status is Status.FAIL or not remark.reason
            found.setdefault((line, remark) if alone else remark, []).append(line)
    order = (Status.FAIL, Status.ERROR, Status.SKIP)
    told = [
        Trouble(lines[0], Exercises(_together(table, lines)), key if isinstance(key, Remark) else key[1])
        for key, lines in found.items()
    ]
    return sorted(told, key=lambda each: (order.index(each.remark.status), each.line))


def _together(table: Table, lines: Sequence[int]) -> str:
    names = [table.sections[line].name for line in lines]
    if len(names) > _FEW_NAMES and len(names) == len(table.sections):
        return f"all {len(names)} exercises"
    shown = ", ".join(names[:_FEW_NAMES])
    more = counted(len(names) - _FEW_NAMES, "more exercise")
    return shown if len(names) <= _FEW_NAMES else f"{shown} and {more}"


def notes(table: Table) -> list[Trouble]:
    """Return what is to be said of exercises that passed."""
    return [
        Trouble(line, Exercises(section.name), remark)
        for line, section, remark in _remarks(table)
        if remark.status is Status.PASS
    ]


def _remarks(table: Table) -> Iterator[tuple[int, Section, Remark]]:
    for line, section in enumerate(table.sections):
        for remark in section.remarks:
            yield line, section, remark


def _differences(table: Table) -> Iterator[Difference]:
    for line, section in enumerate(table.sections):
        for row in section.rows:
            if row.differs:
                yield Difference(line, section, row)


def _difficulty(each: Difference) -> tuple[bool, int, int, int, int]:
    foreseen = any(check.that == each.row.key and check.where != Where() for check in each.section.checks)
    groups = each.row.groups
    longest = max(len(group.text) for group in groups)
    silent = sum(rank is None for rank in each.row.ranks)
    return (not foreseen, max(longest - _EASILY_READ, 0), len(groups), silent, -len(groups[1].machines))
