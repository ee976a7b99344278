"""Plot data from records: measurements by plot and label, with a mark for each machine. Pure."""

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
    """One machine's measurement. ``reported`` replaces a missing measurement; beside one it is how the
    machine started, where that was measured. ``ratio`` is relative to the first machine that has a
    measurement, None for that machine itself."""

    measurement: Measurement | None
    reported: str
    ratio: float | None = None


@dataclass(frozen=True)
class Series:
    """One measured quantity on all machines: a mark for each column of the table."""

    key: str
    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class PlotData:
    """Series that share a unit and a scale; ``line`` is the exercise's index in the table."""

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
    """Return the plots of a table, in its order."""
    return tuple(
        _plot_data(line, section, plot)
        for line, section in enumerate(table.sections)
        for plot in section.plots
    )


def _plot_data(line: int, section: Section, plot: Plot) -> PlotData:
    groups = tuple(_series(key, label, section.cells) for key, label in plot.shows.items())
    title, unit = bounded(printable(plot.title), _LABEL_LIMIT), printable(plot.unit)
    return PlotData(line, section.name, title, unit, plot.better, groups)


def _series(key: str, label: str, cells: tuple[Cell, ...]) -> Series:
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
    """Return the text in place of a measurement: the machine's own reason, or that there is none."""
    return value.text if isinstance(value, Missing) else format_value(value)
