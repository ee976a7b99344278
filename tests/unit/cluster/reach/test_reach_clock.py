"""How far another clock is."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cluster.reach.clock import ClockOffset, measure, offset


def test_the_middle_of_the_way_there_and_back() -> None:
    assert offset(100.0, 103.0, 101.0) == ClockOffset(2.5, 0.5)
    assert offset(100.0, 103.0, 101.0).certain
    assert not offset(100.0, 100.2, 101.0).certain


def test_the_quickest_of_three_answers_counts() -> None:
    moments: Iterator[float] = iter([0.0, 8.0, 10.0, 10.5, 20.0, 24.0])
    answers = iter([50.0, 15.25, 90.0])
    assert measure(lambda: next(answers), now=lambda: next(moments)) == ClockOffset(5.0, 0.25)
