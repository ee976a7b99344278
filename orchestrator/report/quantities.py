"""Human-readable quantities, such as 6.78 µs for 6782 ns, and round amounts for a scale. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TIME = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
_SIZE = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
_RATE = tuple((f"{name}/s", factor) for name, factor in _SIZE)
_MOST_TICKS = 4
_MOST_PLACES = 15
"""Decimal places: three digits of a picosecond."""


@dataclass(frozen=True)
class Unit:
    """A unit of measurement: ``names`` of its multiples with their sizes, largest first; ``base`` is the
    size of one unit; ``powers`` are the steps a scale may use, widest first."""

    names: tuple[tuple[str, float], ...]
    base: float
    powers: tuple[float, ...]

    def name_for(self, value: float) -> tuple[str, float]:
        """Return the largest multiple not above ``value``, with its size."""
        return next((each for each in self.names if value * self.base >= 0.9995 * each[1]), self.names[-1])


_DECIMAL, _BINARY = (10.0, 2.0), (32.0, 4.0, 2.0)
_UNITS = {
    **{name.replace("µ", "u"): Unit(_TIME, size, _DECIMAL) for name, size in _TIME},
    "B": Unit(_SIZE, 1.0, _BINARY),
    "B/s": Unit(_RATE, 1.0, _BINARY),
}


def unit_of(word: str) -> Unit:
    """Return the unit with this name in a file; an unknown one has no multiples."""
    return _UNITS.get(word, Unit(((word, 1.0),), 1.0, _DECIMAL))


def amount(value: float, unit: Unit) -> str:
    """Format an amount: ``6.78 µs``."""
    name, size = unit.name_for(value)
    return f"{digits(value * unit.base / size)} {name}"


def spread(low: float, middle: float, high: float, unit: Unit) -> str:
    """Format a range, ``6.66–6.91``, in the same multiple as ``middle``."""
    _, size = unit.name_for(middle)
    return "–".join(digits(value * unit.base / size) for value in (low, high))


def ratio(times: float) -> str:
    """Format a ratio: ``×12``, or ``÷3.5`` below one."""
    larger, smaller = digits(times, 2), digits(1 / times, 2)
    return f"÷{smaller}" if times < 1 and smaller != "1" else f"×{larger if times > 1 else 1}"


def digits(value: float, count: int = 3) -> str:
    """Format significant digits, without exponent or trailing zeros."""
    places = max(0, count - 1 - math.floor(math.log10(value))) if value > 0 else 0
    text = f"{value:.{min(places, _MOST_PLACES)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ticks(low: float, high: float, unit: Unit) -> Sequence[float]:
    """Return round amounts between ``low`` and ``high``, for a logarithmic scale."""
    found: list[float] = []
    for power in unit.powers:
        found = list(_powers(low * unit.base, high * unit.base, power))
        if len(found) > 1:
            break
    every = math.ceil(len(found) / _MOST_TICKS) or 1
    return [value / unit.base for value in found[::every]]


def _powers(low: float, high: float, power: float) -> Iterator[float]:
    exponent = math.ceil(math.log(low, power) - 1e-9)
    while (value := power**exponent) <= high:
        yield value
        exponent += 1
