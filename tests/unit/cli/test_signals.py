"""What ends a command like Ctrl-C, so that everything is torn down."""

from __future__ import annotations

import os
import signal

import pytest

from orchestrator.cli.signals import stop_signals


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_that_asks_to_end_is_an_interruption_and_a_second_one_nothing(name: str) -> None:
    number = signal.Signals[name]
    before = signal.signal(number, lambda *_: pytest.fail("not taken"))
    try:
        with stop_signals():
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
