"""Human-readable quantities, such as 6.78 µs for 6782 ns, and round amounts for a scale. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_TIME = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
_SIZE = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
_RATE = tuple((f"{name}/s", factor) for name, factor in _SIZE)
_MOST_TICKS = 4
_NEARLY = 1 + 1e-9
"""Amounts are computed: an end of a scale may be a little off."""
_MOST_PLACES = 15
"""Decimal places: three digits of a picosecond."""


@dataclass(frozen=True)
class MeasureUnit:
    """A unit of measurement: ``names`` of its multiples with their sizes, largest first; ``base`` is the
    size of one unit."""

    names: tuple[tuple[str, float], ...]
    base: float

    def name_for(self, value: float) -> tuple[str, float]:
        """Return the largest multiple not above ``value``, with its size."""
        return next((each for each in self.names if value * self.base >= 0.9995 * each[1]), self.names[-1])


_UNITS = {
    **{name.replace("µ", "u"): MeasureUnit(_TIME, size) for name, size in _TIME},
    "B": MeasureUnit(_SIZE, 1.0),
    "B/s": MeasureUnit(_RATE, 1.0),
}


def unit_of(word: str) -> MeasureUnit:
    """Return the unit with this name in a file; an unknown one has no multiples."""
    return _UNITS.get(word, MeasureUnit(((word, 1.0),), 1.0))


def amount(value: float, unit: MeasureUnit) -> str:
    """Format an amount: ``6.78 µs``."""
    name, size = unit.name_for(value)
    return f"{digits(value * unit.base / size)} {name}"


def spread(low: float, middle: float, high: float, unit: MeasureUnit) -> str:
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


def ticks(low: float, high: float, unit: MeasureUnit, share: float = 0.2) -> Sequence[float]:
    """Return round amounts between ``low`` and ``high`` for a logarithmic scale: 1, 2, 5, 10 of a multiple
    of the unit, or only its powers of ten where these would be too many.

    Labels of neighbours need ``share`` of the scale's length. There are two or more between amounts that
    differ by a factor of 6.
    """
    choices = [_round(low * unit.base, high * unit.base, unit, steps) for steps in ((1, 2, 5), (1,))]
    least = (high / low) ** share
    fitting = (found for found in choices if len(found) > 1 and _are_apart(found, least))
    found = next(fitting, None) or (choices[1] if len(choices[1]) > 1 else choices[0])
    while not _are_apart(found, least):
        found = found[::2]
    return [value / unit.base for value in found]


def _are_apart(found: Sequence[float], least: float) -> bool:
    """Return whether the amounts are few, and neighbours differ by this factor."""
    return len(found) <= _MOST_TICKS and all(right / left >= least for left, right in pairwise(found))


def _round(low: float, high: float, unit: MeasureUnit, steps: Sequence[int]) -> list[float]:
    """Return the round amounts in a range: ``steps`` times powers of ten of each multiple of the unit."""
    found = []
    bounds = [math.inf, *(size for _, size in unit.names[:-1])]
    for place, ((_, size), above) in enumerate(zip(unit.names, bounds, strict=True)):
        first = 0 if place < len(unit.names) - 1 else -_MOST_PLACES
        for power in range(first, 3 if above < math.inf else _MOST_PLACES + 1):
            values = (step * 10.0**power * size for step in steps)
            found += [value for value in values if low <= value * _NEARLY and value <= high * _NEARLY]
    return sorted(value for value in set(found))
