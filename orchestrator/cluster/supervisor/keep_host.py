"""Keep a host in its cluster: the connection, the conversation with its agent, and its worker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.model import ClusterHost, HostFacts
from orchestrator.cluster.offers import offer
from orchestrator.cluster.scheduling.certificates import Role, issue
from orchestrator.cluster.scheduling.orders import signer
from orchestrator.cluster.scheduling.run_journal import running
from orchestrator.cluster.scheduling.start import Started, WorkerNeeds, connect_worker, introduce_worker
from orchestrator.cluster.supervisor.keep_scheduler import fresh_seconds
from orchestrator.cluster.supervisor.pauses import Pauses
from orchestrator.cluster.supervisor.state_file import Board, State
from orchestrator.cluster.supervisor.way import Way, Ways
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError, Unavailable, from_os

CONNECT_SECONDS, WORKER_SECONDS, ANSWER_SECONDS = 90.0, 90.0, 15.0
FIRST_SECONDS = 60.0
"""For the first answer over a connection: as long as an agent may take to start. Given up sooner, that of a
busy host would be given up again and again."""
BEAT_SECONDS = 5.0
"""Between two beats: what they prolong is much longer, so that two may be lost."""
LEASE_SECONDS = 60.0
"""How long guests live without a beat."""
LOOK_SECONDS = 1.0


@dataclass
class HostKeeper:
    """Keeps one host. ``say`` writes the supervisor's log."""

    host: ClusterHost
    folder: Path
    ways: Ways
    board: Board
    stop: Cancellation
    say: Callable[[str], None]
    pauses: Pauses = field(default_factory=Pauses)
    _said: str = ""
    _memory: int = 0

    def run(self) -> None:
        """Connect, and again when the connection breaks, until it is to stop."""
        while not self.stop.cancelled:
            begun = time.monotonic()
            try:
                self._connected()
            except Interrupted:
                return
            except (LabError, OSError) as problem:
                self._away(problem)
            if self.stop.wait(self.pauses.next(time.monotonic() - begun)):
                return

    def _connected(self) -> None:
        """Have a connection until it breaks. Raises LabError, Interrupted."""
        name, workers = self.host.name, Pauses()
        with (
            self.ways(self.host, self.stop.deadline(CONNECT_SECONDS)) as way,
            AgentClient(way.agent(), name) as agent,
        ):
            self._ask(agent, FIRST_SECONDS)  # the agent may have to be started for it
            while True:
                begun = time.monotonic()
                try:
                    with self._worker(way) as (worker, address, fresh):
                        self._up()
                        self._watch(agent, worker, address, time.monotonic() + fresh)
                except Interrupted:
                    raise
                except LabError as problem:
                    self.stop.check()
                    self._ask(agent)  # raises if it is the connection
                    self._away(problem)
                if self.stop.wait(workers.next(time.monotonic() - begun)):
                    raise Interrupted()

    @contextlib.contextmanager
    def _worker(self, way: Way) -> Iterator[tuple[Started, str, float]]:
        """Have a worker for a ``with`` block, which is registered with the scheduler; yields it, the
        scheduler's address, and for how many seconds its certificate is good. Raises LabError."""
        name, deadline = self.host.name, self.stop.deadline(WORKER_SECONDS)
        address = self._scheduler()
        credentials = issue(self.folder, Role.HOST, name)
        needs = WorkerNeeds(name, credentials, signer(self.folder).public_key, self._memory)
        pipes = way.worker()
        try:
            started = Started(pipes, f"the worker on {name}")
            port = introduce_worker(started, needs, deadline)
            with (
                way.from_host(_port(address), deadline) as reverse,
                way.to_host(port, deadline) as contact,
            ):
                connect_worker(started, contact, reverse, deadline)
                yield started, address, fresh_seconds(credentials)
        finally:
            pipes.close(at_once=True)

    def _scheduler(self) -> str:
        """Return the scheduler's address. Raises Unavailable if there is none for long, Interrupted."""
        deadline = self.stop.deadline(WORKER_SECONDS)
        while not self.board.wait_for(lambda status: bool(status.scheduler), LOOK_SECONDS):
            self.stop.check()
            if not deadline.remaining():
                raise Unavailable(
                    f"there is no scheduler: {self.board.status.trouble or 'it does not start'}"
                )
        return self.board.status.scheduler

    def _watch(self, agent: AgentClient, worker: Started, address: str, until: float) -> None:
        """Beat, and watch the worker, until it ends, its certificate does, or the scheduler is at another
        address. Raises LabError, Interrupted."""
        while time.monotonic() < until:
            beaten = time.monotonic()
            self._ask(agent)
            while (left := beaten + BEAT_SECONDS - time.monotonic()) > 0:
                worker.require_alive(self.stop.deadline(min(left, LOOK_SECONDS)))
                if self.board.status.scheduler not in (address, ""):
                    return

    def _ask(self, agent: AgentClient, seconds: float = ANSWER_SECONDS) -> None:
        """Prolong the leases of the runs that are carried out, and learn what the host says of itself, each
        within so many seconds. Raises LabError, Interrupted."""
        runs = running(self.folder)
        if runs:
            lost = agent.beat(runs, LEASE_SECONDS, self.stop.deadline(seconds))
            for run in lost:
                self._tell(f"the lease of run {run} had ended: its machines are gone")
        facts = agent.facts(self.stop.deadline(seconds))
        self._learn(facts)
        self.board.host(self.host.name, lambda old: replace(old, facts=facts))

    def _learn(self, facts: HostFacts) -> None:
        """Note how much memory units may take: what was free when no guest ran."""
        free = offer(self.host, facts).memory
        self._memory = free if not facts.guests else max(free, self._memory)

    def _up(self) -> None:
        self.board.host(
            self.host.name, lambda old: replace(old, state=State.UP, trouble="", starts=old.starts + 1)
        )
        self._tell("up")

    def _away(self, problem: LabError | OSError) -> None:
        words = (problem if isinstance(problem, LabError) else from_os(problem)).message
        self.board.host(self.host.name, lambda old: replace(old, state=State.AWAY, trouble=words))
        self._tell(words)

    def _tell(self, words: str) -> None:
        """Say something once, until something else is said."""
        if words != self._said:
            self._said = words
            self.say(f"{self.host.name}: {words.removeprefix(f'{self.host.name}: ')}")


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
