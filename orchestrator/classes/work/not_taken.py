"""What was not taken of home folders: a line for each, with a count and the first names."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.classes.work.collect import Collected

MOST_LINES = 20
MOST_NAMES = 3
"""Of one home folder."""


def not_taken(done: Sequence[Collected], more: str = "") -> list[str]:
    """Return the lines, printable; at most ``MOST_LINES``, and one that says how many home folders they leave
    out, to which ``more`` is added. Pure."""
    lines = [f"{one.seat}/{one.machine}: {first_of(one.skipped)}" for one in done if one.skipped]
    left = len(lines) - MOST_LINES
    return lines if left <= 0 else [*lines[:MOST_LINES], f"… and {left} more home folders{more}"]


def first_of(words: Sequence[str]) -> str:
    """Return how many there are, and what the first are. Pure."""
    rest = f"; and {len(words) - MOST_NAMES} more" if len(words) > MOST_NAMES else ""
    count = f"{len(words)} not taken: " if len(words) > 1 else "not taken: "
    return f"{count}{'; '.join(words[:MOST_NAMES])}{rest}"
