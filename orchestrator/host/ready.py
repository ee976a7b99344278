"""Wait for a descriptor with poll(2): select(2) knows none from 1024 on, which a class of hundreds has."""

from __future__ import annotations

import math
import select


def readable(descriptor: int, seconds: float) -> bool:
    """Wait until something can be read, the other end is closed or the time is over; returns whether it is
    not."""
    return _ready(descriptor, select.POLLIN, seconds)


def writable(descriptor: int, seconds: float) -> bool:
    """Wait likewise until something can be written, or never will be."""
    return _ready(descriptor, select.POLLOUT, seconds)


def _ready(descriptor: int, event: int, seconds: float) -> bool:
    watched = select.poll()
    watched.register(descriptor, event)
    return bool(watched.poll(math.ceil(1000 * seconds)))
