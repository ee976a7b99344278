"""Watch a scheduler that somebody else started: hosts are led to it, and it is not ours to restart."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.cluster.supervisor.state_file import Board
from orchestrator.deadline import Cancellation

LOOK_SECONDS, ANSWER_SECONDS = 5.0, 5.0


@dataclass
class SchedulerWatcher:
    """Tells whether something listens at the address of a scheduler on this host's loopback."""

    address: str
    board: Board
    stop: Cancellation
    say: Callable[[str], None]

    def run(self) -> None:
        """Look again and again, until it is to stop."""
        up: bool | None = None
        while not self.stop.cancelled:
            there = self._listens()
            if there is not up:
                trouble = "" if there else f"no Dask scheduler answers at {self.address}"
                self.board.scheduler(self.address if there else "", trouble=trouble)
                self.say(trouble or f"the scheduler at {self.address} answers")
            up = there
            self.stop.wait(LOOK_SECONDS)

    def _listens(self) -> bool:
        host, _, port = self.address.rpartition("://")[2].rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), ANSWER_SECONDS):
            return True
        return False
