"""What the caller's shell has set does not reach what isolab starts."""

from __future__ import annotations

import os
import resource
import signal
import sys

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT

SHOWS = """
import resource, signal
from orchestrator.host.caller import shed
shed()
print(*(resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0] for name in ("FSIZE", "NOFILE", "STACK")))
print([number.name for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())])
print(*(signal.getsignal(getattr(signal, "SIG" + name)).name for name in ("CHLD", "USR1", "HUP")))
"""


def shown(setting: str) -> list[str]:
    done = process.run(
        ["sh", "-c", f'{setting}; exec "$@"', "sh", sys.executable, "-c", SHOWS],
        deadline=Deadline.after(60),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.stdout.decode().splitlines()


def test_limits_are_raised_as_far_as_they_may_be() -> None:
    limits, *_ = shown("ulimit -S -f 100; ulimit -S -n 64; ulimit -S -s 1024")
    size, files, stack = map(int, limits.split())
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert size == most
    assert (files, stack) == (4096, 8 * 2**20)


def test_a_hard_limit_is_never_lowered() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = process.run(
        [sys.executable, "-c", "import resource; from orchestrator.host.caller import shed; shed(); "
         "print(resource.getrlimit(resource.RLIMIT_NOFILE)[1])"],
        deadline=Deadline.after(60),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert int(done.stdout) == before


def test_a_hard_limit_of_an_ordinary_callers_is_a_limit() -> None:
    limits, *_ = shown("ulimit -n 64")
    assert int(limits.split()[1]) in (64, 4096)  # root may raise it, unless it lacks CAP_SYS_RESOURCE


def test_ignored_and_blocked_signals_are_our_own_again_but_nohup_holds() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        _, blocked, ignored = shown("trap '' CHLD USR1 HUP")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert blocked == "[]"
    assert ignored == "SIG_DFL SIG_DFL SIG_IGN"
