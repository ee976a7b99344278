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


@dataclass(frozen=True)
class Deadline:
    """A moment (``time.monotonic`` seconds) by which something must be done.

    ``cancel`` is shared by every deadline derived from the first: once set, each of them counts
    as interrupted.
    """

    at: float
    cancel: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    @classmethod
    def after(cls, seconds: float, cancel: threading.Event | None = None) -> Deadline:
        """A deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds, cancel or threading.Event())

    @classmethod
    def never(cls, cancel: threading.Event | None = None) -> Deadline:
        """No deadline, but still open to interruption."""
        return cls(math.inf, cancel or threading.Event())

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and ``seconds`` from now."""
        return Deadline(min(self.at, time.monotonic() + seconds), self.cancel)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def check(self, what: str) -> None:
        """Raises Interrupted when the user wants to stop, TimedOut (naming ``what``) when late."""
        if self.cancel.is_set():
            raise Interrupted()
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
        deadline.cancel.wait(min(interval, deadline.remaining()))
