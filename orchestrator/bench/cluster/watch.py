"""A run on a cluster while it runs: how far it is, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.bench.cluster.faults import Fault, Moment
from orchestrator.bench.cluster.stage import ANY, Stage
from orchestrator.cluster.scheduling.run_journal import FOLDER, SUFFIX
from orchestrator.host import process_table
from orchestrator.record import Record, read_records

LOOK_SECONDS = 0.02


@dataclass
class Watch:
    """A run that was started. ``total`` is how many records it should have; ``run`` its name, once it is
    known."""

    out: Path
    journals: Path
    total: int
    ended: Future[float]
    begun: float = field(default_factory=time.monotonic)
    run: str = ""
    _before: frozenset[str] = frozenset()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def records(self) -> list[Record]:
        file = self.out / "records.jsonl"
        return list(read_records(file)) if file.exists() else []

    def given(self) -> int:
        """How often a unit was given away."""
        with contextlib.suppress(OSError):
            found = {path.name for path in self.journals.glob(f"*{SUFFIX}")} - self._before
            for name in found:
                self.run = name.removesuffix(SUFFIX)
                return (self.journals / name).read_bytes().count(b'"given"')
        return 0

    def wait_for(self, fault: Fault) -> None:
        """Wait for the moment of a fault, or for the run's end."""
        while not self.ended.done() and not self._is(fault):
            time.sleep(LOOK_SECONDS)

    def _is(self, fault: Fault) -> bool:
        if fault.moment is Moment.RANDOM:
            return self.seconds >= fault.after
        if fault.moment is Moment.ENDED:
            return False
        given = self.given()
        if fault.moment is Moment.PLACING:
            return bool(self.run)
        if fault.moment is Moment.GIVEN:
            return given > 0
        shares = {Moment.FIRST: 1, Moment.THIRD: self.total // 3, Moment.MOST: self.total * 2 // 3}
        return len(self.records()) >= max(1, shares.get(fault.moment, self.total))

    def signal(self, number: signal.Signals) -> int:
        """Send the command a signal; returns to how many processes."""
        mine = [*process_table.find(lambda pid: str(self.out) in process_table.arguments(pid))]
        for pid in mine:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return len(mine)

    def hangs(self, seconds: float) -> bool:
        """Wait for the end; a run that does not end within so many seconds is killed. Raises LabError if it
        ended with a status that no run has."""
        try:
            self.ended.result(max(0.0, self.begun + seconds - time.monotonic()))
        except NotYet:
            self.signal(signal.SIGKILL)
            return True
        return False


@contextlib.contextmanager
def watched(stage: Stage, lab: Path, out: Path, total: int) -> Iterator[Watch]:
    """Run a lab on the cluster, whatever its status is in the end; a run that is still there then is
    waited for."""
    journals = stage.hosts.state / FOLDER
    before = frozenset(path.name for path in journals.glob(f"*{SUFFIX}"))
    words = ["run", str(lab), "--cluster", str(stage.file), "--out", str(out)]
    with ThreadPoolExecutor(1) as pool:
        found = Watch(out, journals, total, pool.submit(stage.command, words, ANY), _before=before)
        yield found
