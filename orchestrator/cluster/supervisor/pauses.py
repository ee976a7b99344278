"""Pauses between tries to start something again: short at first, then longer."""

from __future__ import annotations

from dataclasses import dataclass

FIRST, LONGEST = 0.5, 30.0
STEADY_SECONDS = 30.0
"""What was up for so long is started again at once."""


@dataclass
class Pauses:
    """The pauses of one thing. ``failures`` counts tries since it was last up for a while."""

    failures: int = 0

    def next(self, was_up: float) -> float:
        """Return how many seconds to wait, after it was up for ``was_up`` seconds."""
        self.failures = 0 if was_up >= STEADY_SECONDS else self.failures + 1
        return float(min(LONGEST, FIRST * 2 ** min(10, max(0, self.failures - 1))))
