"""Keep the scheduler up: it holds nothing that is not made again, so another one takes its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.cluster.scheduling.certificates import Credentials
from orchestrator.cluster.scheduling.start import SchedulerProcess, start_scheduler
from orchestrator.cluster.supervisor.pauses import Pauses
from orchestrator.cluster.supervisor.state_file import Board
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError, from_os

START_SECONDS, LOOK_SECONDS = 60.0, 5.0
RENEW = timedelta(days=1)
"""How long before its certificate ends a process is started again with a new one."""
SAME_PORT_TRIES = 3
"""How often a scheduler is started on the port of the one before it, so that forwards lead to it."""


@dataclass
class SchedulerKeeper:
    """Keeps the scheduler of a cluster up. ``say`` writes the supervisor's log."""

    folder: Path
    board: Board
    stop: Cancellation
    say: Callable[[str], None]
    pauses: Pauses = field(default_factory=Pauses)
    _port: int = 0

    def run(self) -> None:
        """Start it, and again when it ends, until it is to stop."""
        while not self.stop.cancelled:
            begun = time.monotonic()
            try:
                self._one()
            except Interrupted:
                return
            except (LabError, OSError) as problem:
                words = (problem if isinstance(problem, LabError) else from_os(problem)).message
                self.board.scheduler("", trouble=words)
                self.say(words)
            if self.stop.wait(self.pauses.next(time.monotonic() - begun)):
                return
            if self.pauses.failures >= SAME_PORT_TRIES:
                self._port = 0

    def _one(self) -> None:
        """Start one and watch it to its end. Raises LabError, Interrupted."""
        up = start_scheduler(self.folder, self._port, self.stop.deadline(START_SECONDS))
        try:
            self._port = up.port
            self.board.scheduler(up.address, up.dashboard)
            self.say(f"the scheduler listens at {up.address} (process {up.process.pid})")
            self._watch(up)
        finally:
            up.process.close(at_once=True)

    def _watch(self, up: SchedulerProcess) -> None:
        """Watch it until it ends, does not answer any more, or its certificate ends soon. Raises LabError."""
        until = time.monotonic() + fresh_seconds(up.credentials)
        while (left := until - time.monotonic()) > 0:
            up.started.require_alive(self.stop.deadline(min(left, LOOK_SECONDS)))
        self.say("the scheduler's certificate ends soon: another one takes its place")


def fresh_seconds(credentials: Credentials) -> float:
    """Return for how many seconds credentials may be used before there should be new ones."""
    return max(0.0, (credentials.ends - RENEW - datetime.now(UTC)).total_seconds())
