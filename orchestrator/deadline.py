"""Deadlines, passed down instead of re-invented time-outs, and the user's wish to stop."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.errors import Interrupted, TimedOut

T = TypeVar("T")


class Cancellation:
    """The wish to stop, shared by everything that is to stop with it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants to stop."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Stop, from now on and for good."""
        self._event.set()

    def check(self) -> None:
        """Raises Interrupted when somebody wants to stop."""
        if self.cancelled:
            raise Interrupted()

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until somebody wants to stop; returns whether somebody does."""
        return self._event.wait(seconds)

    def deadline(self, seconds: float = math.inf) -> Deadline:
        """A deadline ``seconds`` from now, or none, that this wish interrupts."""
        return Deadline.after(seconds, self)


@dataclass(frozen=True)
class Deadline:
    """A moment (``time.monotonic`` seconds) by which something must be done.

    ``cancellation`` is shared by every deadline derived from the first: once cancelled, each of
    them counts as interrupted.
    """

    at: float
    cancellation: Cancellation = field(default_factory=Cancellation, compare=False, repr=False)

    @classmethod
    def after(cls, seconds: float, cancellation: Cancellation | None = None) -> Deadline:
        """A deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds, cancellation or Cancellation())

    @classmethod
    def never(cls) -> Deadline:
        """No deadline, and nobody to interrupt it."""
        return cls(math.inf)

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and ``seconds`` from now."""
        return Deadline(min(self.at, time.monotonic() + seconds), self.cancellation)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def check(self, what: str) -> None:
        """Raises Interrupted when the user wants to stop, TimedOut (naming ``what``) when late."""
        self.cancellation.check()
        if time.monotonic() >= self.at:
            raise TimedOut(f"timed out: {what}")

    def slice(self, seconds: float = 0.2) -> float:
        """How long one blocking wait may last so that an interruption is noticed soon."""
        return min(seconds, self.remaining())


def poll(probe: Callable[[], T | None], deadline: Deadline, what: str, interval: float = 0.005) -> T:
    """Call ``probe`` until it gives something true. Raises TimedOut or Interrupted."""
    while True:
        found = probe()
        if found:
            return found
        deadline.check(what)
        deadline.cancellation.wait(min(interval, deadline.remaining()))
