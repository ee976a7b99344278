"""What the engine reads of a cluster that is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cluster.supervisor.status import ClusterStatus, State, read_status
from orchestrator.deadline import Deadline

OLD_SECONDS = 0.5
_NOTHING = ClusterStatus(0)


@dataclass
class SupervisorView:
    """A ``scheduling.view.ClusterView`` of a cluster's state folder. ``ask_to_cancel`` has a host's agent end
    a run: it takes host, run and deadline. Thread-safe."""

    folder: Path
    ask_to_cancel: Callable[[str, str, Deadline], object]
    _read: tuple[float, ClusterStatus] = field(default=(float("-inf"), _NOTHING))

    def scheduler(self) -> str:
        return self._status().scheduler

    def public_keys(self) -> Mapping[str, str]:
        hosts = self._status().hosts
        return {name: host.facts.public_key for name, host in hosts.items() if host.facts is not None}

    def trouble(self, host: str) -> str:
        found = self._status().hosts.get(host)
        if found is None:
            return "it is not in the hosts file that the cluster was started with"
        return found.trouble if found.state is State.AWAY else ""

    def cancel(self, host: str, run: str, deadline: Deadline) -> None:
        self.ask_to_cancel(host, run, deadline)

    def _status(self) -> ClusterStatus:
        """Return what the supervisor wrote; nothing if there is none."""
        when, found = self._read
        now = time.monotonic()
        if now - when > OLD_SECONDS:
            found = read_status(self.folder) or _NOTHING
            self._read = (now, found)
        return found
