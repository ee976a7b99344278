"""How far a host's clock is from this machine's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

TIMES = 3


@dataclass(frozen=True)
class ClockOffset:
    """Seconds that a host's clock is ahead (negative: behind), and how wrong that may be at most."""

    seconds: float
    uncertain: float

    @property
    def certain(self) -> bool:
        """Whether the clocks differ by more than the way there and back explains."""
        return abs(self.seconds) > self.uncertain


def offset(asked: float, told: float, answered: float) -> ClockOffset:
    """Return the offset after one question: what the host's clock told, between two moments of ours (seconds
    since the epoch). The host looked at some moment in between; its middle is the best guess. Pure."""
    return ClockOffset(told - (asked + answered) / 2, (answered - asked) / 2)


def measure(ask: Callable[[], float], *, now: Callable[[], float] = time.time) -> ClockOffset:
    """Ask for a host's clock some times and return the most certain offset. Raises what ``ask`` raises."""
    found = []
    for _ in range(TIMES):
        asked = now()
        found.append(offset(asked, ask(), now()))
    return min(found, key=lambda one: one.uncertain)
