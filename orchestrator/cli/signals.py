"""Signals that end a command like Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from orchestrator.host.interrupts import interrupt


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """Make SIGTERM, SIGHUP and SIGQUIT (Ctrl-\\) end a run like Ctrl-C: with everything torn down.

    A second signal is ignored: interrupting the wait for a thread would make Python forget that the
    thread is still running (threading.Thread.join before 3.13). Signals that were ignored at the start,
    for example under nohup(1), stay ignored.
    """
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    heeded = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)
        interrupt()

    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
