"""The end of a run by its command's: told to end, and killed, when leases have to end what it left."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

from orchestrator.bench.cluster.faults import Fault, FaultKind, Moment
from orchestrator.bench.cluster.rounds import Ground, ground
from orchestrator.bench.cluster.stage import Stage
from orchestrator.bench.measure import BenchResult
from orchestrator.cluster.supervisor.keep_host import BEAT_SECONDS, LEASE_SECONDS
from orchestrator.errors import LabError

_AT_FIRST = Fault(0, FaultKind("kill", "command"), "", Moment.FIRST, 0.0, 0.0, 0)


def end_rows(stage: Stage) -> Iterator[BenchResult]:
    """Tell a run to end, then kill another, at their first records."""
    with ground(stage) as there:
        stage.progress.doing("bench", "a run that is told to end")
        left, _ = _ended(there, signal.SIGTERM, 0.0)
        yield BenchResult("what a run left that was told to end", len(left), "", 0.0, {}, ", ".join(left[:1]))
        stage.progress.doing("bench", "a run whose command is killed: its leases end")
        most = LEASE_SECONDS + 2 * BEAT_SECONDS
        left, seconds = _ended(there, signal.SIGKILL, 2 * most)
        what = "command killed: until nothing is left of its run"
        yield BenchResult(what, seconds, "s", most, {}, ", ".join(left[:1]))


def _ended(there: Ground, number: signal.Signals, patience: float) -> tuple[list[str], float]:
    """End a run's command by a signal; returns what is left of it after that time, and after how many seconds
    nothing was, or we lost patience."""
    out = there.stage.folder / f"ended-{number.name}"
    with there.begun(out) as watch:
        watch.wait_for(_AT_FIRST)
        watch.given()
        watch.signal(number)
        with contextlib.suppress(LabError):  # its status is the signal's
            watch.hangs(60.0)
    begun = time.monotonic()
    while True:
        looks = there.stage.everywhere("look", run=watch.run, marks=there.marks)
        left = [f"{host}: {words}" for host, look in looks.items() for words in look["left"]]
        if not left or time.monotonic() - begun > patience:
            return left, time.monotonic() - begun
        time.sleep(0.5)
