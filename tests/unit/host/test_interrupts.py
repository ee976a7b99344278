"""Interrupts wait for what belongs together."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from orchestrator.cli.signals import stop_signals
from orchestrator.host.interrupts import held_back


def interrupted(done: list[str], number: signal.Signals = signal.SIGINT) -> None:
    """Write down how far it gets, with a signal on the way."""
    with stop_signals():
        with held_back():
            with held_back():
                os.kill(os.getpid(), number)
                done.append("inner")
            done.append("outer")
        done.append("after")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_all_is_done(number: signal.Signals) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(done, number)
    assert done == ["inner", "outer"]


def test_an_error_meanwhile_does_not_swallow_it() -> None:
    def full() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise OSError

    with pytest.raises(KeyboardInterrupt), stop_signals(), held_back():
        full()


def test_it_holds_back_nothing_later() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted([])
    with pytest.raises(KeyboardInterrupt), stop_signals():
        os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_hold_nothing_back() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with held_back():
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert inside.wait(20)
        with pytest.raises(KeyboardInterrupt), stop_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        leave.set()
        thread.join()
