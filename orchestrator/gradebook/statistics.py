"""Statistics of a class's points and tests. Pure.

Correlations are the standard library's. What rests on too few students is None, not a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation, mean, median, pstdev

LEAST = 10
"""Fewest students of whom a discrimination is given: of fewer it is chance."""


@dataclass(frozen=True)
class Bin:
    """Points from ``low`` to below ``high`` (the last bin: up to it), and how many students have them."""

    low: float
    high: float
    students: int


@dataclass(frozen=True)
class Distribution:
    """Points of ``n`` students; ``deviation`` is the standard deviation of these students."""

    n: int
    mean: float
    median: float
    deviation: float
    least: float
    most: float


def spread(points: Sequence[float]) -> Distribution | None:
    """Return the spread of points; None of nobody."""
    if not points:
        return None
    return Distribution(len(points), mean(points), median(points), pstdev(points), min(points), max(points))


def histogram(points: Sequence[float], most: float, bins: int = 10) -> tuple[Bin, ...]:
    """Return how points are distributed over equal bins from 0 to ``most``; all that is outside is in the
    nearest bin. () where there are no points to be had."""
    if most <= 0 or bins < 1:
        return ()
    counts = [0] * bins
    for each in points:
        place = math.floor(each / most * bins + 1e-9)  # 0.3 of 1 is in the bin that begins there
        counts[min(max(place, 0), bins - 1)] += 1
    edges = [most * edge / bins for edge in range(bins + 1)]
    return tuple(Bin(edges[place], edges[place + 1], number) for place, number in enumerate(counts))


def share(held: Sequence[bool]) -> float | None:
    """Return the share of students who passed a test, from 0 to 1: the difficulty index of classical test
    theory, high for what is easy. None of nobody."""
    return sum(held) / len(held) if held else None


def discrimination(held: Sequence[bool], rest: Sequence[float]) -> float | None:
    """Return how well a test tells the better from the worse, from -1 to 1: the point-biserial correlation of
    passing it with the ``rest`` score, which is each student's points in all other tests.

    Correlated with the total, which it is part of, every test would look better than it is: S. Henrysson,
    "Correction of item-total correlations in item analysis", Psychometrika 28 (1963), 211–218. The
    point-biserial correlation is Pearson's, of a variable that is 0 or 1. None for fewer than ``LEAST``
    students, and where all pass, all fail, or all have the same rest. Raises ValueError for sequences of
    different lengths.
    """
    if len(held) != len(rest):
        raise ValueError(f"{len(held)} results of a test, but {len(rest)} scores")
    if len(held) < LEAST or len(set(held)) < 2 or len(set(rest)) < 2:
        return None
    try:
        found = correlation([float(each) for each in held], rest)
    except StatisticsError:  # so nearly the same that the squares vanish
        return None
    return min(1.0, max(-1.0, found)) if math.isfinite(found) else None
