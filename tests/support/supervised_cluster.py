"""A supervised cluster on the loopback: a real supervisor, scheduler and workers; agents are made up, and the
way to a host is no SSH, but can be cut as one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from loopback_cluster import lost
from made_up_agent import MadeUpAgent

from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.streams import Stream, over_socket
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import Cluster, ClusterHost, Destination, Unit
from orchestrator.cluster.scheduling import worker
from orchestrator.cluster.scheduling.engine import ClusterEngine, Limits
from orchestrator.cluster.scheduling.start import Pipes
from orchestrator.cluster.supervisor.state_file import ClusterStatus, State, status
from orchestrator.cluster.supervisor.supervise import supervise
from orchestrator.cluster.supervisor_view import SupervisorView
from orchestrator.deadline import Cancellation, Deadline, poll
from orchestrator.errors import TransportError
from orchestrator.host.process import Conversation
from orchestrator.progress import SilentProgress

SECONDS = 180.0


@dataclass
class LoopbackWay:
    """A host on the loopback. Cut, its processes and conversations end, as SSH's do."""

    folder: Path
    streams: list[Any] = field(default_factory=list)
    workers: list[Conversation] = field(default_factory=list)

    def agent(self) -> Stream:
        found = over_socket(self.folder / "agent.sock")
        self.streams.append(found)
        return found

    def worker(self) -> Pipes:
        self.workers.append(_AgentsElsewhere(worker.COMMAND, self.folder))
        return self.workers[-1]

    def to_host(self, port: int, deadline: Deadline) -> contextlib.AbstractContextManager[int]:
        return contextlib.nullcontext(port)

    def from_host(self, port: int, deadline: Deadline) -> contextlib.AbstractContextManager[int]:
        return contextlib.nullcontext(port)

    def cut(self) -> None:
        for stream in self.streams:
            stream.close()
        for process in self.workers:
            process.close(at_once=True)


class _AgentsElsewhere(Conversation):
    """A worker that is told where its host's agent is: here all hosts have one state."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        super().__init__(argv)
        self._folder: Path | None = folder

    def send(self, data: bytes, deadline: Deadline) -> None:
        if self._folder is not None:
            data = data.replace(b"{", b'{"folder": "%s", ' % bytes(self._folder), 1)
            self._folder = None
        super().send(data, deadline)


@dataclass
class SupervisedCluster:
    folder: Path
    agents: dict[str, MadeUpAgent]
    ways: dict[str, LoopbackWay] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    existing: str = ""
    """The address of a scheduler that is not the supervisor's."""

    @contextlib.contextmanager
    def way(self, host: ClusterHost, deadline: Deadline) -> Iterator[LoopbackWay]:
        if host.name in self.unreachable:
            raise TransportError(f"{host.name}: no route to host")
        found = self.ways[host.name] = LoopbackWay(self.folder / host.name)
        yield found

    # What the engine's view has of HostsUp.

    @property
    def state(self) -> Path:
        return self.folder

    @property
    def cluster(self) -> Cluster:
        hosts = tuple(ClusterHost(name, Destination("127.0.0.1")) for name in self.agents)
        return Cluster(self.folder / "hosts.yaml", hosts, self.existing)

    def agent(self, host: ClusterHost, _deadline: Deadline | None = None) -> AgentClient:
        return AgentClient(over_socket(self.folder / host.name / "agent.sock"), host.name)

    def status(self) -> ClusterStatus:
        return status(self.folder)

    def wait_for(self, name: str, state: State, starts: int = 0) -> None:
        def holds() -> bool:
            found = self.status().hosts[name]
            return found.state is state and found.starts >= starts

        poll(holds, Deadline.after(SECONDS), f"{name} {state}", interval=0.02)

    def engine(self, places: Sequence[str]) -> ClusterEngine:
        return ClusterEngine(
            self.folder,
            SupervisorView(cast(HostsUp, self)),
            lambda jobs: [Unit(job.run, "bundle", (job,), places=tuple(places)) for job in jobs],
            lost,
            SilentProgress(),
            Cancellation(),
            Limits(unplaceable=SECONDS, lost=SECONDS),
        )


@contextlib.contextmanager
def supervised_cluster(folder: Path, names: Sequence[str], existing: str = "") -> Iterator[SupervisedCluster]:
    """Have one for a ``with`` block, with everything up."""
    agents = {}
    for name in names:
        (folder / name).mkdir()
        agents[name] = MadeUpAgent(name, folder / name / "agent.sock")
    found = SupervisedCluster(folder, agents, existing=existing)
    stop = Cancellation()
    works = (found.cluster, folder, found.way, stop, found.said.append)
    thread = threading.Thread(target=supervise, args=works)
    thread.start()
    try:
        poll(lambda: status(folder).settled, Deadline.after(SECONDS), "up")
        yield found
    finally:
        stop.cancel()
        thread.join()
        for agent in agents.values():
            agent.close()
