"""Machines that wait for each other, and for nobody who will not come."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from orchestrator.deadline import Cancellation
from orchestrator.errors import BootError, Interrupted
from orchestrator.machines.barrier import Barrier, Participant

WAIT = 20.0


def in_thread(pool: ThreadPoolExecutor, member: Participant) -> Future[str]:
    return pool.submit(member.wait)


def test_nobody_passes_before_all_are_there() -> None:
    barrier, cancellation = Barrier(), Cancellation()
    with (
        ThreadPoolExecutor(2) as pool,
        barrier.participant("a", ("a", "b"), "", cancellation) as a,
        barrier.participant("b", ("a", "b"), "", cancellation) as b,
    ):
        for _ in range(3):  # up, an exercise, done
            first = in_thread(pool, a)
            with pytest.raises(TimeoutError):
                first.result(timeout=0.05)
            assert b.wait() == first.result(WAIT) == ""


def test_a_machine_that_does_not_come_up_holds_nobody_and_says_why() -> None:
    barrier, cancellation = Barrier(), Cancellation()
    with ThreadPoolExecutor(1) as pool, barrier.participant("a", ("a", "b"), "", cancellation) as a:
        waiting = in_thread(pool, a)
        with pytest.raises(BootError), barrier.participant("b", ("a", "b"), "", cancellation):
            raise BootError("b: the kernel panicked\nwith many words")
        assert waiting.result(WAIT) == "machine b on the same network was lost: b: the kernel panicked"
        assert "panicked" in a.wait()  # and it stays lost


def test_a_machine_that_has_finished_is_not_lost() -> None:
    barrier, cancellation = Barrier(), Cancellation()
    with barrier.participant("a", ("a", "b"), "", cancellation) as a:
        with barrier.participant("b", ("a", "b"), "", cancellation):
            pass
        assert a.wait() == ""


def test_waiting_ends_with_the_users_wish() -> None:
    barrier, cancellation = Barrier(), Cancellation()
    with ThreadPoolExecutor(1) as pool, barrier.participant("a", ("a", "never"), "", cancellation) as a:
        waiting = in_thread(pool, a)
        cancellation.cancel()
        with pytest.raises(Interrupted):
            waiting.result(WAIT)


def test_a_machine_without_a_network_waits_for_nobody() -> None:
    with Barrier().participant("alone", (), "", Cancellation()) as alone:
        assert alone.missing() == []
        assert alone.wait() == ""


def test_groups_of_different_people_do_not_meet() -> None:
    barrier, cancellation = Barrier(), Cancellation()
    with (
        barrier.participant("a", ("a", "b"), "ada", cancellation) as a,
        barrier.participant("b", ("a", "b"), "bob", cancellation),
    ):
        assert a.missing() == ["b"]


def test_who_is_waited_for_can_be_told_and_how_slow_the_slowest_is() -> None:
    barrier, cancellation, names = Barrier(), Cancellation(), ("a", "b", "c")
    with (
        barrier.participant("a", names, "", cancellation) as a,
        barrier.participant("b", names, "", cancellation) as b,
    ):
        a.announce(2.0)
        b.announce(15.0)
        assert a.missing() == ["b", "c"]
        assert a.slowest == 15.0
