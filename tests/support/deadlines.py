"""Deadlines that pass when something has come about, however long a busy host takes for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from habitat import wait_until

from orchestrator.deadline import Deadline

SECONDS = 120.0


@contextlib.contextmanager
def once(happened: Callable[[], object]) -> Iterator[Deadline]:
    """Yield a deadline that passes as soon as ``happened`` returns something true."""
    deadline = Deadline.after(SECONDS)

    def watch() -> None:
        wait_until(happened, "the moment of a deadline")
        object.__setattr__(deadline, "at", time.monotonic())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    yield deadline
    watching.join()
