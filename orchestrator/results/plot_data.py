"""Records -> figures: what exercises measured, by plot and label, a mark for each machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.exercises.measurement import Reading, reading_of
from orchestrator.formatting import bounded, format_value, printable
from orchestrator.labfile.models import ANSWERS, Plot
from orchestrator.results.comparison import Cell, Missing, Section, Table, value_of

_LABEL_LIMIT = 60
_OF_THE_MACHINE = frozenset({ANSWERS["start"], ANSWERS["memory"]})


@dataclass(frozen=True)
class Mark:
    """What one machine measured. ``said`` stands in the place of a figure; beside one it tells how the
    machine came up, where that is what was measured. ``ratio`` is how many times the figure is that of
    the first machine that has one, None for that machine itself."""

    reading: Reading | None
    said: str
    ratio: float | None = None


@dataclass(frozen=True)
class Group:
    """One thing that was measured, on all machines: a mark for each column of the table."""

    key: str
    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Figure:
    """Groups that share a unit and a scale; ``line`` is the exercise's place in the table."""

    line: int
    exercise: str
    title: str
    unit: str
    better: str
    groups: tuple[Group, ...]

    @property
    def readings(self) -> tuple[Reading, ...]:
        return tuple(mark.reading for group in self.groups for mark in group.marks if mark.reading)


def figures_of(table: Table) -> tuple[Figure, ...]:
    """The figures of a table, in its order."""
    return tuple(
        _figure(line, section, plot) for line, section in enumerate(table.sections) for plot in section.plots
    )


def _figure(line: int, section: Section, plot: Plot) -> Figure:
    groups = tuple(_group(key, label, section.cells) for key, label in plot.shows.items())
    title, unit = bounded(printable(plot.title), _LABEL_LIMIT), printable(plot.unit)
    return Figure(line, section.name, title, unit, plot.better, groups)


def _group(key: str, label: str, cells: tuple[Cell, ...]) -> Group:
    marks: list[Mark] = []
    first: Reading | None = None
    for cell in cells:
        value = value_of(cell, key)
        reading = None if isinstance(value, Missing) else reading_of(value)
        ratio = reading.median / first.median if reading and first else None
        marks.append(Mark(reading, _start(cell, key) if reading else _instead(value), ratio))
        first = first or reading
    return Group(key, bounded(printable(label), _LABEL_LIMIT), tuple(marks))


def _start(cell: Cell, key: str) -> str:
    return printable(cell.record.start) if cell.record and key in _OF_THE_MACHINE else ""


def _instead(value: Any | Missing) -> str:
    """What stands where no figure is: a reason of the machine's own, or that there is none."""
    return value.text if isinstance(value, Missing) else format_value(value)
