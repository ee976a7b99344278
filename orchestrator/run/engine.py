"""Engines: where jobs run. Locally in threads, or on several hosts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Protocol

from orchestrator.labfile.plan import Job
from orchestrator.record import Record

Worker = Callable[[Job], Iterator[Record]]


class Engine(Protocol):
    """Runs jobs side by side."""

    def run(self, jobs: Sequence[Job]) -> Generator[Record, None, None]:
        """Records as they are completed. Closing the iterator cancels what still runs and
        returns when everything is torn down."""
