"""How far a class is graded, in one line that says when it will be done."""

from __future__ import annotations

import time
from collections.abc import Callable

from orchestrator.progress import Progress

WHO = "grading"
LEAST = 8
"""Verdicts before the rate says anything."""


class Tally:
    """Counts verdicts and shows them. For one thread."""

    def __init__(
        self, total: int, what: str, progress: Progress, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._what, self._progress, self._clock = total, what, progress, clock
        self._begun = clock()
        self._done = 0
        self._show()

    def count(self) -> None:
        """Count one more verdict."""
        self._done += 1
        self._show()

    def end(self) -> None:
        """Take the line away."""
        self._progress.done(WHO)

    def words(self) -> str:
        """Return the line."""
        words = f"{self._done} of {self._total} {self._what}"
        spent = self._clock() - self._begun
        if self._done < LEAST or spent <= 0:
            return words
        left = (self._total - self._done) * spent / self._done
        return f"{words}, {self._done * 60 / spent:.0f} a minute, about {left:.0f} s left"

    def _show(self) -> None:
        self._progress.doing(WHO, self.words())
