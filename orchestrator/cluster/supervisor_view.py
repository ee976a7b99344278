"""What the engine reads of a cluster that is up, and asks of its hosts."""

from __future__ import annotations

import time
from collections.abc import Mapping

from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.supervisor.background import wanted
from orchestrator.cluster.supervisor.state_file import ClusterStatus, State, status
from orchestrator.deadline import Deadline

OLD_SECONDS = 0.5


class SupervisorView:
    """A ``scheduling.view.ClusterView`` of what the supervisor wrote. Thread-safe."""

    def __init__(self, hosts: HostsUp) -> None:
        self._hosts = hosts
        self._read = (float("-inf"), ClusterStatus())

    def scheduler(self) -> str:
        return self._status().scheduler

    def wanted(self) -> bool:
        return wanted(self._hosts.state)

    def public_keys(self) -> Mapping[str, str]:
        hosts = self._status().hosts
        return {name: host.facts.public_key for name, host in hosts.items() if host.facts is not None}

    def trouble(self, host: str) -> str:
        found = self._status().hosts.get(host)
        if found is None:
            return "it is not in the hosts file that the cluster was started with"
        return found.trouble if found.state is State.AWAY else ""

    def lines(self, host: str, unit: str, epoch: int, deadline: Deadline) -> list[str]:
        known = self._hosts.cluster.host(host)
        if known is None:
            return []
        return [line.to_json() for line in self._hosts.agent(known, deadline).lines(unit, epoch, deadline)[0]]

    def cancel(self, host: str, run: str, deadline: Deadline) -> None:
        known = self._hosts.cluster.host(host)
        if known is not None:
            self._hosts.agent(known, deadline).cancel(run, deadline)

    def _status(self) -> ClusterStatus:
        when, found = self._read
        now = time.monotonic()
        if now - when > OLD_SECONDS:
            found = status(self._hosts.state)
            self._read = (now, found)
        return found
