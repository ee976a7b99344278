"""Points as text: the same figure in every file of a gradebook."""

from __future__ import annotations


def points_text(points: float) -> str:
    """Return points with at most two decimals: ``3``, ``2.5``, ``0.67``; never an exponent."""
    return f"{points:.2f}".rstrip("0").rstrip(".")
