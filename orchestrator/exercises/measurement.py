"""Measurements as machines report them: a number, or a median with its quartiles. Pure.

Machines are not trusted: an invalid measurement is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """A measurement above zero: the median of ``n`` readings and its quartiles, all equal for a single
    reading. ``wall`` is the wall-clock median, where the measurement is CPU time."""

    median: float
    q1: float
    q3: float
    n: int = 1
    wall: float | None = None


def measurement_of(value: Any) -> Measurement | None:
    """Return the measurement in an observation; None for an invalid one: not a number, not finite, not
    above zero, or quartiles that do not enclose the median."""
    if not isinstance(value, Mapping):
        alone = _figure(value)
        return Measurement(alone, alone, alone) if alone else None
    q1, median, q3 = (_figure(value.get(name)) for name in ("q1", "median", "q3"))
    n = value.get("n")
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        return None
    if not (q1 and median and q3 and q1 <= median <= q3):
        return None
    return Measurement(median, q1, q3, n, _figure(value.get("wall")))


def _figure(value: Any) -> float | None:
    """Return a number above zero, as a logarithmic scale needs; None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        return None
    return float(value)
