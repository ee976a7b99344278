"""A cluster on the loopback: a real scheduler and real workers as processes, agents that are made up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from made_up_agent import MadeUpAgent, record_of
from ports import free_port

from orchestrator.cluster.model import Unit
from orchestrator.cluster.scheduling import worker
from orchestrator.cluster.scheduling.certificates import Credentials, Role, issue
from orchestrator.cluster.scheduling.engine import ClusterEngine, Limits
from orchestrator.cluster.scheduling.orders import signer
from orchestrator.cluster.scheduling.start import (
    SchedulerProcess,
    Started,
    WorkerNeeds,
    connect_worker,
    introduce_worker,
    start_scheduler,
)
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.host.process import Conversation
from orchestrator.labfile.plan import Job
from orchestrator.record import Record, Status

SECONDS = 120.0
MEMORY = 4096 * 2**20


@dataclass
class LoopbackCluster:
    """What is up; also the engine's view of it."""

    folder: Path
    up: SchedulerProcess
    agents: dict[str, MadeUpAgent] = field(default_factory=dict)
    workers: dict[str, Conversation] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)

    def add(self, host: str, credentials: Credentials | None = None, memory: int = MEMORY) -> None:
        """Have one more host, whose name is in its certificate unless another one is given."""
        if host not in self.agents:
            (self.folder / host).mkdir()
            self.agents[host] = MadeUpAgent(host, self.folder / host / "agent.sock")
        self.memory[host] = memory
        self.workers[host] = self.work_on(host, credentials or issue(self.folder, Role.HOST, host))

    def work_on(self, host: str, credentials: Credentials) -> Conversation:
        """Start a worker for a host and wait until it is registered. Raises LabError."""
        process = Conversation(worker.COMMAND)
        try:
            started, deadline = Started(process, f"the worker on {host}"), Deadline.after(SECONDS)
            public = signer(self.folder).public_key
            needs = WorkerNeeds(
                host,
                credentials,
                public,
                self.memory.get(host, MEMORY),
                self.folder / host,
            )
            port = introduce_worker(started, needs, deadline)
            connect_worker(started, port, self.up.port, deadline)
        except BaseException:
            process.close(at_once=True)
            raise
        return process

    def kill_worker(self, host: str) -> None:
        os.kill(self.workers[host].pid, signal.SIGKILL)

    def restart_worker(self, host: str) -> None:
        """Have another worker on a host, as the supervisor would."""
        self.workers[host].close(at_once=True)
        self.workers[host] = self.work_on(host, issue(self.folder, Role.HOST, host))

    def kill_scheduler(self) -> None:
        os.kill(self.up.process.pid, signal.SIGKILL)

    def restart_scheduler(self) -> None:
        """Have another scheduler, and other workers, as the supervisor would."""
        self.up.process.close(at_once=True)
        self.up = start_scheduler(self.folder, self.up.port, Deadline.after(SECONDS))
        for host in self.workers:
            self.restart_worker(host)

    # What the engine asks.

    def scheduler(self) -> str:
        return self.up.address

    def wanted(self) -> bool:
        return False

    def public_keys(self) -> Mapping[str, str]:
        return {name: agent.public_key for name, agent in self.agents.items()}

    def trouble(self, host: str) -> str:
        return "" if host in self.agents else "no route to host"

    def lines(self, host: str, unit: str, epoch: int, deadline: Deadline) -> list[str]:
        return [line.to_json() for line in self.agents[host].lines(unit, epoch)]

    def cancel(self, host: str, run: str, deadline: Deadline) -> None:
        self.agents[host].cancel(run)

    # What tests ask.

    def engine(
        self, places: Sequence[str], limits: Limits | None = None, cancellation: Cancellation | None = None
    ) -> ClusterEngine:
        """An engine whose units are one job each and may run on these hosts, best first."""
        return ClusterEngine(
            self.folder,
            self,
            lambda jobs: [Unit(jobs[0].run, "bundle", (job,), places=tuple(places)) for job in jobs],
            lost,
            _Told(self.told),
            cancellation or Cancellation(),
            limits or Limits(unplaceable=SECONDS, lost=SECONDS),
        )


@dataclass(frozen=True)
class _Told:
    """Progress that keeps what it is told."""

    told: list[str]

    def doing(self, who: str, what: str, expected: float = 0.0) -> None: ...

    def done(self, who: str, what: str = "") -> None: ...

    def tell(self, text: str) -> None:
        self.told.append(text)


def lost(job: Job, exercise: str, host: str, reason: str) -> Record:
    return replace(record_of(job, exercise, host), status=Status.ERROR, reason=reason)


def jobs_of(run: str, count: int, exercises: Sequence[str] = ("one", "two")) -> list[Job]:
    return [Job(run, "lab", f"m{number}", "", tuple(exercises)) for number in range(count)]


@contextlib.contextmanager
def loopback_cluster(folder: Path, hosts: Sequence[str]) -> Iterator[LoopbackCluster]:
    """Have a cluster for a ``with`` block; nothing of it is left."""
    found = LoopbackCluster(folder, start_scheduler(folder, free_port(), Deadline.after(SECONDS)))
    try:
        threads = [threading.Thread(target=found.add, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        yield found
    finally:
        for process in found.workers.values():
            process.close(at_once=True)
        for agent in found.agents.values():
            agent.close()
        found.up.process.close(at_once=True)
