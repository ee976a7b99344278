"""Records -> figures: what exercises measured, by plot and label, a mark for each machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.exercises.measurement import Measurement, measurement_of
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

    measurement: Measurement | None
    reported: str
    ratio: float | None = None


@dataclass(frozen=True)
class Series:
    """One thing that was measured, on all machines: a mark for each column of the table."""

    key: str
    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class PlotData:
    """Groups that share a unit and a scale; ``line`` is the exercise's place in the table."""

    line: int
    exercise: str
    title: str
    unit: str
    better: str
    series: tuple[Series, ...]

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(mark.measurement for group in self.series for mark in group.marks if mark.measurement)


def plots_of(table: Table) -> tuple[PlotData, ...]:
    """The figures of a table, in its order."""
    return tuple(
        _figure(line, section, plot) for line, section in enumerate(table.sections) for plot in section.plots
    )


def _figure(line: int, section: Section, plot: Plot) -> PlotData:
    groups = tuple(_group(key, label, section.cells) for key, label in plot.shows.items())
    title, unit = bounded(printable(plot.title), _LABEL_LIMIT), printable(plot.unit)
    return PlotData(line, section.name, title, unit, plot.better, groups)


def _group(key: str, label: str, cells: tuple[Cell, ...]) -> Series:
    marks: list[Mark] = []
    first: Measurement | None = None
    for cell in cells:
        value = value_of(cell, key)
        measurement = None if isinstance(value, Missing) else measurement_of(value)
        ratio = measurement.median / first.median if measurement and first else None
        marks.append(Mark(measurement, _start(cell, key) if measurement else _instead(value), ratio))
        first = first or measurement
    return Series(key, bounded(printable(label), _LABEL_LIMIT), tuple(marks))


def _start(cell: Cell, key: str) -> str:
    return printable(cell.record.start) if cell.record and key in _OF_THE_MACHINE else ""


def _instead(value: Any | Missing) -> str:
    """What stands where no figure is: a reason of the machine's own, or that there is none."""
    return value.text if isinstance(value, Missing) else format_value(value)
