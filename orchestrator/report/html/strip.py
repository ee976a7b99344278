"""A difference as a small strip: one mark per machine, in the order of the columns. Pure.

Values differ in shape as well as colour; a machine that did not answer has no mark.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

MARKS = ("▪", "■", "◆", "▲", "✚")
"""The shapes as characters, for the values listed beside the strip."""

_STEP, _HEIGHT = 12, 12
_PATHS = (
    "M{} 4h4v4h-4z",
    "M{} 1h10v10h-10z",
    "M{} 0l6 6l-6 6l-6 -6z",
    "M{} 0l6 11h-12z",
    "M{} 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
)
_STARTS = (4, 1, 6, 6, 4)


def shape(rank: int) -> int:
    """Return the shape for a value; all rare values share the last."""
    return min(rank, len(MARKS) - 1)


def strip(ranks: Sequence[int | None]) -> Markup:
    """Return an SVG element with one path for each value."""
    shapes = {shape(rank) for rank in ranks if rank is not None}
    width = _STEP * len(ranks)
    paths = "".join(f'<path class="g{each}" d="{_path(each, ranks)}"/>' for each in sorted(shapes))
    return Markup(f'<svg class="strip" width="{width}" height="{_HEIGHT}" aria-hidden="true">{paths}</svg>')


def _path(each: int, ranks: Sequence[int | None]) -> str:
    places = [place for place, rank in enumerate(ranks) if rank is not None and shape(rank) == each]
    return "".join(_PATHS[each].format(place * _STEP + _STARTS[each]) for place in places)
