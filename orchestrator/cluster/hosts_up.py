"""The hosts of a cluster that is up: SSH to each, and its agent, opened when they are needed."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.install.send import require
from orchestrator.cluster.install.version import Installed
from orchestrator.cluster.installed import KnownInstalled
from orchestrator.cluster.model import Cluster, ClusterHost, HostFacts
from orchestrator.cluster.paths import cluster_state
from orchestrator.cluster.reach.connection import HostConnection, sockets_folder
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Interrupted, LabError

ANSWER_SECONDS = 60.0
CLEAN_UP_SECONDS = 10.0
"""How long hosts may take for what is left to do after Ctrl-C."""
MOST_AT_ONCE = 32
_T = TypeVar("_T")


@dataclass
class HostsUp:
    """Connections to the hosts of a cluster. Thread-safe. Connections are shared with the supervisor and with
    other commands, and stay when this one ends; conversations with agents end with it."""

    cluster: Cluster
    cancellation: Cancellation
    state: Path
    _agents: dict[str, AgentClient] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _most_seconds: float = math.inf

    def __post_init__(self) -> None:
        self.known = KnownInstalled(self.state)

    def deadline(self, seconds: float = ANSWER_SECONDS) -> Deadline:
        return self.cancellation.deadline(min(seconds, self._most_seconds))

    def clean_up(self) -> None:
        """Take what follows for cleaning up after Ctrl-C or a failure: what was begun is cancelled, and hosts
        are asked once more for what has to be removed, but not waited for."""
        self.cancellation.cancel()
        self.cancellation, self._most_seconds = Cancellation(), CLEAN_UP_SECONDS

    def connection(self, host: ClusterHost, deadline: Deadline | None = None) -> HostConnection:
        """Return the connection to a host, opened by a deadline. Raises LabError in words."""
        found = HostConnection(host, sockets_folder(self.state))
        found.open(deadline or self.deadline())
        return found

    def existing(self, host: ClusterHost) -> HostConnection | None:
        """Return the connection to a host if it is open."""
        found = HostConnection(host, sockets_folder(self.state))
        return found if found.is_open() else None

    def isolab(self, host: ClusterHost, *words: str) -> list[str]:
        """Return the command that runs ``isolab WORDS`` on a host. Raises LabError if it has another version
        than this one."""
        return self.installed(host).isolab(*words)

    def installed(self, host: ClusterHost) -> Installed:
        """Return the isolab of a host. Raises LabError if it has another version than this one."""
        there = self.known.get(host.name)
        if there is None:
            there = require(self.connection(host), self.deadline())
            self.known.put(host.name, there)
        return there

    def agent(self, host: ClusterHost, deadline: Deadline | None = None) -> AgentClient:
        """Return the conversation with a host's agent, which is started if there is none; ``deadline`` is for
        the connection to the host. Raises LabError."""
        with self._locks.setdefault(host.name, threading.Lock()):
            known = self._agents.get(host.name)
            if known is None or known.broken:
                stream = self.connection(host, deadline).start(self.installed(host).relay())
                known = self._agents[host.name] = AgentClient(stream, host.name)
            return known

    def disconnect(self, host: ClusterHost) -> None:
        """End the connection to a host, and what goes over it."""
        if (agent := self._agents.pop(host.name, None)) is not None:
            agent.close()
        HostConnection(host, sockets_folder(self.state)).close()

    def close(self) -> None:
        """End the conversations with agents."""
        for agent in self._agents.values():
            agent.close()
        self._agents.clear()

    def facts(self) -> tuple[dict[str, HostFacts], dict[str, str]]:
        """Return what each host's agent says, and why the other hosts say nothing."""
        return self.each(lambda host: self.agent(host).facts(self.deadline()))

    def each(
        self, act: Callable[[ClusterHost], _T], hosts: Sequence[ClusterHost] | None = None
    ) -> tuple[dict[str, _T], dict[str, str]]:
        """Do something with all hosts (or these) at once; returns its results by host, and for those that
        failed the reason. Ctrl-C cancels it on all of them: ``act`` waits by our deadlines. Raises
        Interrupted."""
        wanted = self.cluster.hosts if hosts is None else hosts
        found: dict[str, _T] = {}
        failed: dict[str, str] = {}

        def one(host: ClusterHost) -> None:
            try:
                found[host.name] = act(host)
            except Interrupted:
                raise
            except LabError as problem:
                self.known.put(host.name, None)  # it may have been removed there
                failed[host.name] = problem.describe()

        threads = max(1, min(MOST_AT_ONCE, len(wanted)))
        with ThreadPoolExecutor(threads) as pool, self.cancellation.on_failure():
            for _ in pool.map(one, wanted):
                pass
        return found, failed


@contextlib.contextmanager
def hosts_up(cluster: Cluster, cancellation: Cancellation | None = None) -> Iterator[HostsUp]:
    """Yield the hosts of a cluster; conversations with them end afterwards. Raises Unavailable."""
    hosts = HostsUp(cluster, cancellation or Cancellation(), cluster_state(cluster.file))
    try:
        yield hosts
    finally:
        hosts.close()
