"""A distribution of points as an SVG histogram: a bar for each bin, with the number of students on it. Pure.

The style sheet decides the looks; the words for those who do not see it are in the description.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from orchestrator.formatting import counted
from orchestrator.gradebook.statistics import Bin
from orchestrator.report import wording

_WIDTH, _HEIGHT, _TOP, _FOOT, _SIDE, _GAP = 460, 190, 22, 24, 10, 3


def histogram_svg(bins: Sequence[Bin], name: str, title: str) -> Markup:
    """Return an SVG element; ``name`` is unique in its page, ``title`` names it for screen readers."""
    if not bins:
        return Markup()
    words = "; ".join(_words(one) for one in bins if one.students) or "nobody"
    step = (_WIDTH - 2 * _SIDE) / len(bins)
    most = max(one.students for one in bins) or 1
    bars = Markup().join(_bar(one, place, step, most) for place, one in enumerate(bins))
    edges = [*(one.low for one in bins), bins[-1].high]
    ticks = Markup().join(_tick(edge, place, step) for place, edge in enumerate(edges))
    foot = _HEIGHT - _FOOT
    return Markup(
        f'<svg class="panel histogram" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="{name}" '
        f'aria-describedby="{name}-description"><title id="{name}">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(words)}</desc>'
        f'<path class="rule" d="M{_SIDE} {foot}H{_WIDTH - _SIDE}"/>{bars}{ticks}</svg>'
    )


def _words(one: Bin) -> str:
    points = f"{wording.number(one.low)} to {wording.number(one.high)} points"
    return f"{counted(one.students, 'student')} with {points}"


def _bar(one: Bin, place: int, step: float, most: int) -> Markup:
    if not one.students:
        return Markup()
    room = _HEIGHT - _FOOT - _TOP
    height = max(2.0, round(room * one.students / most, 1))
    x, y = round(_SIDE + place * step + _GAP / 2, 1), round(_HEIGHT - _FOOT - height, 1)
    middle = round(_SIDE + (place + 0.5) * step, 1)
    return Markup(
        f'<rect class="block" x="{x}" y="{y}" width="{round(step - _GAP, 1)}" height="{height}"/>'
        f'<text class="tick" x="{middle}" y="{round(y - 5, 1)}">{one.students}</text>'
    )


def _tick(edge: float, place: int, step: float) -> Markup:
    x = round(_SIDE + place * step, 1)
    return Markup(f'<text class="tick" x="{x}" y="{_HEIGHT - 7}">{escape(wording.number(edge))}</text>')
