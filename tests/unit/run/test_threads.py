"""The engine in this process: records as they come, and nothing left running at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from factories import RUN, record

from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted
from orchestrator.labfile.plan import Job
from orchestrator.record import Record
from orchestrator.run.threads import MOST_THREADS, LocalEngine

WAIT = 20.0


def jobs(*machines: str) -> list[Job]:
    return [Job(RUN, "lab", name, "", ("a", "b")) for name in machines]


def engine(work: Callable[[Job, Cancellation], Iterator[Record]]) -> LocalEngine:
    cancellation = Cancellation()
    return LocalEngine(lambda job: work(job, cancellation), cancellation)


def two_records(job: Job, _cancellation: Cancellation) -> Iterator[Record]:
    for name in job.exercises:
        yield record(name, machine=job.machine)


def test_every_record_of_every_job_arrives_in_the_jobs_order() -> None:
    found = list(engine(two_records).run(jobs("x", "y", "z")))
    for name in ("x", "y", "z"):
        assert [r.exercise for r in found if r.machine == name] == ["a", "b"]
    assert len(found) == 6


def test_no_jobs_no_records() -> None:
    assert list(engine(two_records).run([])) == []


def test_a_record_is_there_before_its_job_has_ended() -> None:
    seen = threading.Event()

    def work(job: Job, _cancellation: Cancellation) -> Iterator[Record]:
        yield record("a")
        assert seen.wait(WAIT)
        yield record("b")

    results = engine(work).run(jobs("x"))
    assert next(results).exercise == "a"
    seen.set()
    assert next(results).exercise == "b"
    assert list(results) == []


def test_no_more_jobs_run_at_once_than_may() -> None:
    running: list[str] = []
    together: list[int] = []

    def work(job: Job, _cancellation: Cancellation) -> Iterator[Record]:
        running.append(job.machine)
        yield record("a", machine=job.machine)
        together.append(len(running))
        running.remove(job.machine)

    cancellation = Cancellation()
    one_by_one = LocalEngine(lambda job: work(job, cancellation), cancellation, at_once=1)
    assert [each.machine for each in one_by_one.run(jobs("x", "y", "z"))] == ["x", "y", "z"]
    assert together == [1, 1, 1]


def test_jobs_run_side_by_side() -> None:
    all_there = threading.Barrier(8, timeout=WAIT)

    def work(job: Job, _cancellation: Cancellation) -> Iterator[Record]:
        all_there.wait()
        yield record(machine=job.machine)

    assert len(list(engine(work).run(jobs(*"abcdefgh")))) == 8


def patient(torn_down: list[str], up: threading.Barrier) -> Callable[[Job, Cancellation], Iterator[Record]]:
    """Machines that stay up until cancelled; ``bad`` fails and ``first`` gives a record once all are up."""

    def work(job: Job, cancellation: Cancellation) -> Iterator[Record]:
        try:
            up.wait()
            if job.machine == "bad":
                raise RuntimeError("a mistake of ours")
            if job.machine == "first":
                yield record(machine="first")
            assert cancellation.wait(WAIT)
            raise Interrupted()
        finally:
            torn_down.append(job.machine)

    return work


def test_an_escaping_exception_ends_the_run_after_all_were_torn_down() -> None:
    torn_down: list[str] = []
    work = patient(torn_down, threading.Barrier(3, timeout=WAIT))
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        list(engine(work).run(jobs("x", "bad", "y")))
    assert sorted(torn_down) == ["bad", "x", "y"]


def test_closing_early_cancels_and_waits_for_teardown() -> None:
    torn_down: list[str] = []
    results = engine(patient(torn_down, threading.Barrier(2, timeout=WAIT))).run(jobs("first", "x"))
    assert next(results).machine == "first"
    results.close()
    assert sorted(torn_down) == ["first", "x"]


def test_an_exception_thrown_in_by_the_caller_cancels_as_well() -> None:
    torn_down: list[str] = []
    results = engine(patient(torn_down, threading.Barrier(2, timeout=WAIT))).run(jobs("first", "x"))
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())
    assert sorted(torn_down) == ["first", "x"]


def test_every_member_of_a_large_group_has_a_thread() -> None:
    """Machines that wait for each other would wait for ever for one without."""
    names = tuple(f"m{number}" for number in range(MOST_THREADS + 5))
    together = [Job(RUN, "lab", name, "", ("a",), names) for name in names]
    up = threading.Barrier(len(names), timeout=WAIT)

    def work(job: Job, _cancellation: Cancellation) -> Iterator[Record]:
        up.wait()
        yield record(machine=job.machine)

    assert len(list(engine(work).run(together))) == len(names)
