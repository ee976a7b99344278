"""Dates as a handout writes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def day(moment: datetime) -> str:
    """Format the day: ``8 March 2027``."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def when(moment: datetime) -> str:
    """Format a moment with its offset from UTC: ``Mon 8 March 2027, 17:00 (UTC+08:00)``."""
    offset = moment.strftime("%z")
    zone = f"UTC{offset[:3]}:{offset[3:5]}" if offset.strip("+-0") else "UTC"
    return f"{_DAYS[moment.weekday()]} {day(moment)}, {moment:%H:%M} ({zone})"


def span(moments: Sequence[datetime]) -> str:
    """Format the days from the first to the last of these moments; "" without any."""
    if not moments:
        return ""
    first, last = day(min(moments)), day(max(moments))
    return first if first == last else f"{first} – {last}"
