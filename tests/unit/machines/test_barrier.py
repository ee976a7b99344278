"""Machines that wait for each other, and for nobody who will not come."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from orchestrator.errors import BootError, Interrupted
from orchestrator.machines.barrier import Gates, Membership

WAIT = 20.0


def in_thread(pool: ThreadPoolExecutor, member: Membership) -> Future[str]:
    return pool.submit(member.meet)


def test_nobody_passes_before_all_are_there() -> None:
    gates, cancel = Gates(), threading.Event()
    with (
        ThreadPoolExecutor(2) as pool,
        gates.member("a", ("a", "b"), "", cancel) as a,
        gates.member("b", ("a", "b"), "", cancel) as b,
    ):
        for _ in range(3):  # up, an exercise, done
            first = in_thread(pool, a)
            with pytest.raises(TimeoutError):
                first.result(timeout=0.05)
            assert b.meet() == first.result(WAIT) == ""


def test_a_machine_that_does_not_come_up_holds_nobody_and_says_why() -> None:
    gates, cancel = Gates(), threading.Event()
    with ThreadPoolExecutor(1) as pool, gates.member("a", ("a", "b"), "", cancel) as a:
        waiting = in_thread(pool, a)
        with pytest.raises(BootError), gates.member("b", ("a", "b"), "", cancel):
            raise BootError("b: the kernel panicked\nwith many words")
        assert waiting.result(WAIT) == "machine b of its network is lost: b: the kernel panicked"
        assert "panicked" in a.meet()  # and it stays lost


def test_a_machine_that_has_finished_is_not_lost() -> None:
    gates, cancel = Gates(), threading.Event()
    with gates.member("a", ("a", "b"), "", cancel) as a:
        with gates.member("b", ("a", "b"), "", cancel):
            pass
        assert a.meet() == ""


def test_waiting_ends_with_the_users_wish() -> None:
    gates, cancel = Gates(), threading.Event()
    with ThreadPoolExecutor(1) as pool, gates.member("a", ("a", "never"), "", cancel) as a:
        waiting = in_thread(pool, a)
        cancel.set()
        with pytest.raises(Interrupted):
            waiting.result(WAIT)


def test_a_machine_without_a_network_waits_for_nobody() -> None:
    with Gates().member("alone", (), "", threading.Event()) as alone:
        assert alone.missing() == []
        assert alone.meet() == ""


def test_groups_of_different_people_do_not_meet() -> None:
    gates, cancel = Gates(), threading.Event()
    with gates.member("a", ("a", "b"), "ada", cancel) as a, gates.member("b", ("a", "b"), "bob", cancel):
        assert a.missing() == ["b"]


def test_who_is_waited_for_can_be_told_and_how_slow_the_slowest_is() -> None:
    gates, cancel, names = Gates(), threading.Event(), ("a", "b", "c")
    with gates.member("a", names, "", cancel) as a, gates.member("b", names, "", cancel) as b:
        a.announce(2.0)
        b.announce(15.0)
        assert a.missing() == ["b", "c"]
        assert a.slowest == 15.0
