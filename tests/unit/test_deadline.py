"""Deadlines: they only ever get shorter, and interruption wins over everything."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deadline import Cancellation, Deadline, poll
from orchestrator.errors import Interrupted, TimedOut


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_within_never_extends(first: float, second: float) -> None:
    whole = Deadline.after(first)
    assert whole.within(second).at <= whole.at


def test_a_deadline_without_end_still_gives_short_waits() -> None:
    never = Deadline.never()
    assert never.remaining() == math.inf
    assert never.slice() == 0.2
    never.check("anything")


def test_a_passed_deadline_names_what_was_waited_for() -> None:
    late = Deadline.after(-1)
    assert late.remaining() == 0
    assert late.slice() == 0
    with pytest.raises(TimedOut, match="timed out: the moon"):
        late.check("the moon")


def test_cancelling_the_first_interrupts_all_derived_ones() -> None:
    cancellation = Cancellation()
    derived = Deadline.after(100, cancellation).within(50).within(10)
    cancellation.cancel()
    with pytest.raises(Interrupted):
        derived.check("anything")


def test_interruption_is_told_rather_than_lateness() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Interrupted):
        Deadline.after(-1, cancellation).check("anything")


def test_poll_gives_the_first_true_answer() -> None:
    answers = iter([None, 0, "", "found", "too late"])
    assert poll(lambda: next(answers), Deadline.after(10), "it", interval=0) == "found"


def test_poll_asks_at_least_once_even_when_late() -> None:
    assert poll(lambda: True, Deadline.after(-1), "it") is True


def test_poll_ends_with_the_deadline() -> None:
    with pytest.raises(TimedOut, match="it"):
        poll(lambda: False, Deadline.after(0.02), "it")


def test_poll_wakes_up_at_once_when_cancelled() -> None:
    cancellation = Cancellation()
    threading.Timer(0.02, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        poll(lambda: False, cancellation.deadline(), "it", interval=3600)
