"""What was measured, as a machine reports it: a number, or a median with its quartiles. Pure.

Machines are not trusted: what is no figure is none, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """A figure above zero: the median of ``n`` readings and its quartiles, all the same when there was
    but one. ``wall`` is the same by the wall clock, where the figure is processor time."""

    median: float
    q1: float
    q3: float
    n: int = 1
    wall: float | None = None


def measurement_of(value: Any) -> Measurement | None:
    """The figure in an observation; None when it holds none: no number, not finite, not above zero,
    or quartiles that do not enclose the median."""
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
    """A number above zero, the only ones that a scale of powers has a place for."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        return None
    return float(value)
