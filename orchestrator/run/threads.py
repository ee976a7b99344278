"""Local engine: one thread per job; threads mostly wait for machines."""

from __future__ import annotations

import queue
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.deadline import Cancellation
from orchestrator.labfile.plan import Job
from orchestrator.record import Record
from orchestrator.run.engine import Worker

MOST_THREADS = 64


@dataclass(frozen=True)
class _Ended:
    """A finished job; ``failure`` is the exception it raised, if any."""

    failure: BaseException | None


@dataclass(frozen=True)
class LocalEngine:
    """Threads in this process, at most ``at_once``. ``cancellation`` is the one the worker checks."""

    worker: Worker
    cancellation: Cancellation
    at_once: int = MOST_THREADS

    def run(self, jobs: Sequence[Job]) -> Generator[Record, None, None]:
        """Yield records as completed. An exception from a job ends the run, after the other
        jobs were cancelled and torn down."""
        results: queue.Queue[Record | _Ended] = queue.Queue()
        # Machines of a group wait for each other, each in its thread; their jobs are adjacent.
        # With a thread for each member of the largest group, the first group can always finish.
        largest = max((len(job.group) for job in jobs), default=1)
        threads = max(min(self.at_once, len(jobs)), largest, 1)
        pool = ThreadPoolExecutor(threads, thread_name_prefix="job")
        try:
            for job in jobs:
                pool.submit(self._work, job, results)
            yield from self._collect(len(jobs), results)
        finally:
            # Also reached by Ctrl-C in the caller: stop the jobs, and wait for their teardown.
            self.cancellation.cancel()
            pool.shutdown(wait=True)

    def _work(self, job: Job, results: queue.Queue[Record | _Ended]) -> None:
        try:
            for record in self.worker(job):
                results.put(record)
        except BaseException as failure:  # noqa: BLE001 - handed to the caller's thread
            results.put(_Ended(failure))
        else:
            results.put(_Ended(None))

    def _collect(self, jobs: int, results: queue.Queue[Record | _Ended]) -> Iterator[Record]:
        left = jobs
        while left:
            try:
                result = results.get(timeout=0.5)  # short, so that Ctrl-C is noticed
            except queue.Empty:
                continue
            if isinstance(result, Record):
                yield result
                continue
            left -= 1
            if result.failure is not None:
                raise result.failure
