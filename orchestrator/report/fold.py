"""Merge identical columns, and split too many columns for a page into blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NAMES_WIDTH = 22


@dataclass(frozen=True)
class FoldedCell:
    """Text of one cell, and its kind (a status, or whether it is the odd one out)."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Column:
    """Machines with the same entries."""

    names: tuple[str, ...]
    entries: tuple[FoldedCell, ...]

    @property
    def header(self) -> str:
        return ", ".join(self.names)


def fold(columns: Iterable[tuple[str, Sequence[FoldedCell]]]) -> tuple[Column, ...]:
    """Return one column for each distinct list of entries, in order of first appearance."""
    folded: dict[tuple[FoldedCell, ...], list[str]] = {}
    for name, entries in columns:
        folded.setdefault(tuple(entries), []).append(name)
    return tuple(Column(tuple(names), entries) for entries, names in folded.items())


def column_width(column: Column, measure: Sequence[int], limit: int) -> int:
    """Return a column's width in characters: its widest entry (``measure``), or a header of a few lines."""
    longest = max((len(name) + 1 for name in column.names), default=0)
    header = (
        len(column.header) if len(column.names) == 1 else max(longest, min(len(column.header), _NAMES_WIDTH))
    )
    return min(limit, max(header, *measure, 1))


def blocks(widths: Sequence[int], available: int, gap: int) -> tuple[range, ...]:
    """Group consecutive columns into blocks no wider than ``available``, unless a single column is."""
    starts, used = [0], 0
    for place, width in enumerate(widths):
        if place > starts[-1] and used + width + gap > available:
            starts.append(place)
            used = 0
        used += width + gap
    return tuple(range(start, end) for start, end in zip(starts, [*starts[1:], len(widths)], strict=True))
