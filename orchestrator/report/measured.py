"""Measurements as text: titles, notes and cells shared by the human-readable reports. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.report.quantities import amount, ratio, spread, unit_of
from orchestrator.results.comparison import MachineColumn
from orchestrator.results.plot_data import Mark, PlotData, Series

TITLE = "Measured"
NOTE = "medians with quartiles (the middle half of the readings)"


def title(plot: PlotData) -> str:
    """Return a plot's title: ``Start (lower is better)``."""
    return f"{plot.title} ({plot.better} is better)"


def extent(plot: PlotData) -> str:
    """Return how many readings each median is based on: ``15 readings each``."""
    numbers = sorted({measurement.n for measurement in plot.measurements})
    if not numbers:
        return "no readings"
    if numbers == [1]:
        return "one reading each, so no spread"
    return f"{'–'.join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))} readings each"


def value(mark: Mark, plot: PlotData) -> str:
    """Format a median: ``6.78 µs``, or why there is none."""
    return amount(mark.measurement.median, unit_of(plot.unit)) if mark.measurement else mark.reported


def beside(mark: Mark) -> str:
    """Format the ratio to the first machine, ``×12``, and how the machine started where that matters."""
    return " ".join(word for word in (ratio(mark.ratio) if mark.ratio else "", mark.reported) if word)


def quartiles(mark: Mark, plot: PlotData) -> str:
    """Format the quartiles: ``6.66–6.91``; "" with a single reading."""
    measurement = mark.measurement
    if measurement is None or measurement.n == 1:
        return ""
    return spread(measurement.q1, measurement.median, measurement.q3, unit_of(plot.unit))


def wall(mark: Mark, plot: PlotData) -> str:
    """Format the wall-clock time, ``7.2 µs``, where the measurement is CPU time."""
    if mark.measurement is None or mark.measurement.wall is None:
        return ""
    return amount(mark.measurement.wall, unit_of(plot.unit))


def cell(mark: Mark, plot: PlotData) -> str:
    """Format a measurement: ``6.78 µs (6.66–6.91)``."""
    between = quartiles(mark, plot)
    how = f" {mark.reported}" if mark.measurement and mark.reported else ""
    return value(mark, plot) + (f" ({between})" if between else "") + how


def cell_with_wall(mark: Mark, plot: PlotData) -> str:
    """Format a measurement: ``6.78 µs (6.66–6.91; wall 7.2 µs)``."""
    clock = wall(mark, plot)
    text = cell(mark, plot)
    return text.replace(")", f"; wall {clock})", 1) if clock and mark.measurement and ")" in text else text


def in_words(group: Series, plot: PlotData, machines: Sequence[MachineColumn]) -> str:
    """Describe a plot in words: ``process 6.78 µs; vm 81 µs``."""
    return "; ".join(_read_aloud(group, plot, machines))


def _read_aloud(group: Series, plot: PlotData, machines: Sequence[MachineColumn]) -> Iterator[str]:
    for machine, mark in zip(machines, group.marks, strict=True):
        yield f"{machine.name} {value(mark, plot)}"
