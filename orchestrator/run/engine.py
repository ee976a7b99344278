"""Engine interface: where jobs run, in local threads or on several hosts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Protocol

from orchestrator.labfile.plan import Job
from orchestrator.record import Record

Worker = Callable[[Job], Iterator[Record]]


class Engine(Protocol):
    """Runs jobs in parallel."""

    def run(self, jobs: Sequence[Job]) -> Generator[Record, None, None]:
        """Yield records as they are completed. Closing the iterator cancels what still runs and
        returns when everything is torn down."""
