"""One series as an SVG plot: a line per machine, a mark at the median, a bar between the quartiles.

Pure; the page loads no plotting library. The scale is logarithmic, because machines differ by factors,
and shared by all series of a figure. Machines are told apart by shape and name, not only by colour: a
diamond has its own kernel, a disc shares the host's. The style sheet decides the looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from orchestrator.formatting import bounded
from orchestrator.labfile.models import Boundary
from orchestrator.report import measured
from orchestrator.report.quantities import amount, ticks, unit_of
from orchestrator.results.comparison import MachineColumn, Table
from orchestrator.results.plot_data import Mark, PlotData, Series, plots_of

OWN_KERNEL = frozenset({str(Boundary.VM), str(Boundary.EMULATED)})
_WIDTH, _LEFT, _RIGHT = 460, 106, 294
_TOP, _STEP, _FOOT = 34, 24, 22
_NAME_LIMIT, _WORDS_LIMIT = 13, 32
_TICK_WIDTH = 7
"""Width of a character of a tick's label, with some air."""
_LEAST_EXTENT = 6.0
"""Minimum ratio of a scale's ends: smaller differences should not look large."""


@dataclass(frozen=True)
class Scale:
    """Position of amounts on a line."""

    low: float
    high: float

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(_LEFT + share * (_RIGHT - _LEFT), 1)


def scale_of(plot: PlotData) -> Scale | None:
    """Return a scale that covers all readings of a figure; None without readings."""
    measurements = plot.measurements
    if not measurements:
        return None
    low = min(measurement.q1 for measurement in measurements) / 1.15
    high = max(measurement.q3 for measurement in measurements) * 1.15
    missing = math.sqrt(max(1.0, _LEAST_EXTENT / (high / low)))
    return Scale(low / missing, high * missing)


def drawn(table: Table) -> list[tuple[PlotData, list[Markup]]]:
    """Return the figures of a comparison, each with its panels."""
    return [
        (plot, panels(plot, number, table.machines)) for number, plot in enumerate(plots_of(table), start=1)
    ]


def panels(plot: PlotData, number: int, machines: Sequence[MachineColumn]) -> list[Markup]:
    """Return an SVG element for each series; ``number`` distinguishes the figures of a page."""
    scale = scale_of(plot)
    return [
        _panel(plot, group, f"plot-{number}-{place}", machines, scale)
        for place, group in enumerate(plot.series, start=1)
    ]


def _panel(
    plot: PlotData, group: Series, name: str, machines: Sequence[MachineColumn], scale: Scale | None
) -> Markup:
    height = _TOP + _STEP * len(machines) + _FOOT
    rows = Markup().join(
        _row(plot, mark, machine, place, scale)
        for place, (mark, machine) in enumerate(zip(group.marks, machines, strict=True))
    )
    title = escape(f"{plot.title}: {group.label}")
    return Markup(
        f'<svg class="panel" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}" '
        f'aria-describedby="{name}-description"><title id="{name}">{title}</title>'
        f'<desc id="{name}-description">{escape(measured.in_words(group, plot, machines))}</desc>'
        f'<text class="head" x="0" y="17">{escape(group.label)}</text>'
        f"{_ruler(plot, scale, height)}{rows}</svg>"
    )


def _ruler(plot: PlotData, scale: Scale | None, height: int) -> Markup:
    """Draw grid lines at round amounts, with labels."""
    if scale is None:
        return Markup()
    unit, foot = unit_of(plot.unit), height - _FOOT
    longest = max(len(amount(value, unit)) for value in (scale.low, scale.high))
    found = ticks(scale.low, scale.high, unit, longest * _TICK_WIDTH / (_RIGHT - _LEFT))
    places = [(scale.at(value), amount(value, unit)) for value in found]
    lines = "".join(f"M{x} {_TOP - 8}V{foot + 2}" for x, _ in places)
    words = "".join(f'<text class="tick" x="{x}" y="{foot + 16}">{escape(text)}</text>' for x, text in places)
    return Markup(f'<path class="rule" d="{lines}"/>{words}')


def _row(plot: PlotData, mark: Mark, machine: MachineColumn, place: int, scale: Scale | None) -> Markup:
    y = _TOP + _STEP * place + _STEP // 2 - 4
    who = escape(bounded(machine.name, _NAME_LIMIT))
    drawn = _drawn(plot, mark, machine, y, scale) if scale and mark.measurement else _undrawn(mark, y)
    return Markup(
        f'<g class="at-{escape(machine.boundary)}" data-m="{place}">'
        f'<text class="who" x="{_LEFT - 12}" y="{y + 5}">{who}</text>{drawn}</g>'
    )


def _undrawn(mark: Mark, y: int) -> Markup:
    return Markup(
        f'<text class="none" x="{_LEFT}" y="{y + 5}">{escape(bounded(mark.reported, _WORDS_LIMIT))}</text>'
    )


def _drawn(plot: PlotData, mark: Mark, machine: MachineColumn, y: int, scale: Scale) -> Markup:
    measurement = mark.measurement
    assert measurement is not None
    x, start, end = scale.at(measurement.median), scale.at(measurement.q1), scale.at(measurement.q3)
    shape = (
        f"M{x} {y - 7}l7 7l-7 7l-7 -7z"
        if machine.boundary in OWN_KERNEL
        else f"M{x - 5.5} {y}a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0z"
    )
    bar = f'<path class="bar" d="M{start} {y}H{end}M{start} {y - 5}v10M{end} {y - 5}v10"/>'
    words, more = measured.value(mark, plot), measured.beside(mark)
    beside = f' <tspan class="beside">{escape(more)}</tspan>' if more else ""
    return Markup(
        f'{bar if measurement.n > 1 else ""}<path class="dot" d="{shape}"/>'
        f'<text class="amount" x="{round(max(x + 7, end) + 7, 1)}" y="{y + 5}">{escape(words)}{beside}</text>'
    )
