"""Deadlines, passed down instead of separate timeouts, and cancellation by the user."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.errors import Interrupted, TimedOut

T = TypeVar("T")


class Cancellation:
    """A cancellation flag shared by everything that stops together. Thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether cancellation was requested."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Request cancellation; it cannot be undone."""
        self._event.set()

    def check(self) -> None:
        """Raise Interrupted if cancelled."""
        if self.cancelled:
            raise Interrupted()

    def wait(self, seconds: float) -> bool:
        """Sleep until ``seconds`` have passed or it is cancelled; returns whether it is cancelled."""
        return self._event.wait(seconds)

    @contextlib.contextmanager
    def on_failure(self) -> Iterator[None]:
        """Request cancellation where a ``with`` block ends by an exception, Ctrl-C among them: threads that
        are waited for afterwards end soon."""
        try:
            yield
        except BaseException:
            self.cancel()
            raise

    def deadline(self, seconds: float = math.inf) -> Deadline:
        """Return a deadline ``seconds`` from now (default: none) that this cancellation interrupts."""
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
        """Return a deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds, cancellation or Cancellation())

    @classmethod
    def never(cls) -> Deadline:
        """Return a deadline that never passes and is never cancelled."""
        return cls(math.inf)

    def within(self, seconds: float) -> Deadline:
        """Return the earlier of this deadline and ``seconds`` from now."""
        return Deadline(min(self.at, time.monotonic() + seconds), self.cancellation)

    def remaining(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def check(self, what: str) -> None:
        """Raise Interrupted if cancelled, TimedOut (naming ``what``) if the deadline has passed."""
        self.cancellation.check()
        if time.monotonic() >= self.at:
            raise TimedOut(f"timed out: {what}")

    def slice(self, seconds: float = 0.2) -> float:
        """Return how long one blocking wait may last so that a cancellation is noticed soon."""
        return min(seconds, self.remaining())


def poll(probe: Callable[[], T | None], deadline: Deadline, what: str, interval: float = 0.005) -> T:
    """Call ``probe`` until it returns something true, and return that. Raises TimedOut or Interrupted."""
    while True:
        found = probe()
        if found:
            return found
        deadline.check(what)
        deadline.cancellation.wait(min(interval, deadline.remaining()))
