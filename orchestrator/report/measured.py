"""What was measured in words: titles, notes and cells that the reports for people share. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.report.quantities import amount, ratio, spread, unit_of
from orchestrator.results.comparison import MachineColumn
from orchestrator.results.plot_data import Figure, Group, Mark

TITLE = "Measured"
NOTE = "medians, and the quartiles between which half of all readings lie"


def title(figure: Figure) -> str:
    """``Start (lower is better)``."""
    return f"{figure.title} ({figure.better} is better)"


def extent(figure: Figure) -> str:
    """How many readings are behind each median: ``15 readings each``."""
    numbers = sorted({reading.n for reading in figure.readings})
    if not numbers:
        return "no readings"
    if numbers == [1]:
        return "one reading each: no spread is known"
    return f"{'–'.join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))} readings each"


def value(mark: Mark, figure: Figure) -> str:
    """``6.78 µs``, or why there is no figure."""
    return amount(mark.reading.median, unit_of(figure.unit)) if mark.reading else mark.said


def beside(mark: Mark) -> str:
    """``×12``: compared with the first machine, and how the machine came up where that counts."""
    return " ".join(word for word in (ratio(mark.ratio) if mark.ratio else "", mark.said) if word)


def quartiles(mark: Mark, figure: Figure) -> str:
    """``6.66–6.91``; nothing where there is but one reading."""
    reading = mark.reading
    if reading is None or reading.n == 1:
        return ""
    return spread(reading.q1, reading.median, reading.q3, unit_of(figure.unit))


def wall(mark: Mark, figure: Figure) -> str:
    """``7.2 µs``: the same by the wall clock, where the figure is processor time."""
    if mark.reading is None or mark.reading.wall is None:
        return ""
    return amount(mark.reading.wall, unit_of(figure.unit))


def cell(mark: Mark, figure: Figure) -> str:
    """``6.78 µs (6.66–6.91)``."""
    between = quartiles(mark, figure)
    how = f" {mark.said}" if mark.reading and mark.said else ""
    return value(mark, figure) + (f" ({between})" if between else "") + how


def cell_with_wall(mark: Mark, figure: Figure) -> str:
    """``6.78 µs (6.66–6.91; wall 7.2 µs)``."""
    clock = wall(mark, figure)
    text = cell(mark, figure)
    return text.replace(")", f"; wall {clock})", 1) if clock and mark.reading and ")" in text else text


def in_words(group: Group, figure: Figure, machines: Sequence[MachineColumn]) -> str:
    """``process 6.78 µs; vm 81 µs``: a picture read aloud."""
    return "; ".join(_read_aloud(group, figure, machines))


def _read_aloud(group: Group, figure: Figure, machines: Sequence[MachineColumn]) -> Iterator[str]:
    for machine, mark in zip(machines, group.marks, strict=True):
        yield f"{machine.name} {value(mark, figure)}"
