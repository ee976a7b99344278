"""How far a class is graded, in one line that says when it will be done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from orchestrator.progress import Progress

WHO = "grading"
LEAST = 8
"""Verdicts before the rate says anything."""
FEW = 3
"""The last so many verdicts are named: their programs may take until their time limits."""


Which = TypeVar("Which")


class Tally(Generic[Which]):
    """Counts verdicts and shows them; ``names`` has what each is called. For one thread."""

    def __init__(
        self,
        names: Mapping[Which, str],
        what: str,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left, self._total = dict(names), len(names)
        self._what, self._progress, self._clock = what, progress, clock
        self._begun = clock()
        self._show()

    def count(self, which: Which) -> None:
        """Count one more verdict."""
        self._left.pop(which, None)
        self._show()

    def end(self) -> None:
        """Take the line away."""
        self._progress.done(WHO)

    def words(self) -> str:
        """Return the line."""
        done = self._total - len(self._left)
        words = f"{done} of {self._total} {self._what}"
        if self._left and len(self._left) <= FEW:
            return f"{words}; waiting for {', '.join(self._left.values())}"
        spent = self._clock() - self._begun
        if done < LEAST or spent <= 0 or not self._left:
            return words
        left = len(self._left) * spent / done
        return f"{words}, {done * 60 / spent:.0f} a minute, about {left:.0f} s left"

    def _show(self) -> None:
        self._progress.doing(WHO, self.words())
