"""An agent in this process whose units do what a test tells them, and clients of it."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from factories import lab

from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.connection import Connection
from orchestrator.cluster.agent.incoming import Incoming
from orchestrator.cluster.agent.labs import BundleFormat, Labs
from orchestrator.cluster.agent.ledger import Ledger
from orchestrator.cluster.agent.paths import AgentPlace
from orchestrator.cluster.agent.requests import Requests
from orchestrator.cluster.agent.run_unit import Slots
from orchestrator.cluster.agent.running_unit import RunningUnit
from orchestrator.cluster.agent.signing import host_key
from orchestrator.cluster.agent.streams import SocketStream
from orchestrator.cluster.agent.units import Units
from orchestrator.cluster.model import SignedLine, Unit
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Interrupted
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job
from orchestrator.record import Record, Status

RUN = "20260102-030405-0a0b0c"
BUNDLE = b"a lab as one file"
DIGEST = hashlib.sha256(BUNDLE).hexdigest()
SECONDS = 60.0
"""No test takes so long, unless something waits for ever."""


def unit(machine: str = "m", **changes: object) -> Unit:
    """A unit of one job."""
    job = Job(RUN, "small", machine, "", ("ipc/pipe",))
    return Unit(**cast(dict[str, object], {"run": RUN, "bundle": DIGEST, "jobs": (job,), **changes}))  # type: ignore[arg-type]


def record(reason: str = "", **changes: object) -> Record:
    values = {"run": RUN, "lab": "small", "host": "h", "machine": "m", "student": "", "driver": "process"}
    values |= {"boundary": "process", "arch": "amd64", "accel": "none", "exercise": "ipc/pipe"}
    return Record(**{**values, "status": Status.PASS, "reason": reason, **changes})  # type: ignore[arg-type]


@dataclass
class Script:
    """What units do: each takes from ``steps`` what to do next, until "" ends it. ``begun``, ``ended``
    and ``torn_down`` are the epochs that have got so far."""

    steps: queue.SimpleQueue[str | Callable[[RunningUnit], None]] = field(default_factory=queue.SimpleQueue)
    begun: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    torn_down: list[int] = field(default_factory=list)
    teardown: threading.Event = field(default_factory=threading.Event)
    """Teardown waits for it."""

    def work(self, running: RunningUnit, lab: LoadedLab, logs: Path, slots: Slots) -> str:
        cancellation = Cancellation()
        self.begun.append(running.unit.epoch)
        running.begun(cancellation)
        try:
            while step := self._next(cancellation):
                if callable(step):
                    step(running)
                else:
                    running.record(record(step))
        except Interrupted:
            pass
        finally:
            self.ended.append(running.unit.epoch)
            assert self.teardown.wait(SECONDS)
            self.torn_down.append(running.unit.epoch)
        return running.stopped

    def _next(self, cancellation: Cancellation) -> str | Callable[[RunningUnit], None]:
        while True:
            cancellation.check()
            with contextlib.suppress(queue.Empty):
                return self.steps.get(timeout=0.01)


@dataclass
class Agent:
    """An agent without its process, and what it said into its log."""

    place: AgentPlace
    script: Script
    units: Units
    said: list[str]
    told: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def line(self) -> Iterator[socket.socket]:
        """A connection to it, for a ``with`` block."""
        ours, theirs = socket.socketpair()
        incoming = Incoming(self.place.incoming)
        served = Connection(theirs, Requests(self.units, self.told.set), incoming, self.said.append)
        thread = threading.Thread(target=served.serve, daemon=True)
        thread.start()
        with ours:
            yield ours
        thread.join(SECONDS)
        assert not thread.is_alive()

    @contextlib.contextmanager
    def client(self, host: str = "lab1") -> Iterator[AgentClient]:
        with self.line() as line, AgentClient(SocketStream(line), host) as client:
            yield client


def agent_in(folder: Path, script: Script | None = None) -> Agent:
    """An agent with its files in a folder, as its process would have it; the folder of another one gives its
    successor. Teardown is quick unless the script says otherwise."""
    place = AgentPlace(folder)
    for each in (place.folder, place.bundles, place.incoming, place.logs):
        each.mkdir(exist_ok=True)
    if script is None:
        script = Script()
        script.teardown.set()
    said: list[str] = []

    def unpack(archive: Path, target: Path) -> None:
        (target / "archive").write_bytes(archive.read_bytes())

    labs = Labs(place.bundles, BundleFormat(unpack, lambda _: lab({"m": {"driver": "process"}})))
    units = Units(place, Ledger(place.ledger), host_key(place.key), labs, said.append, work=script.work)
    archive = folder / "bundle"
    archive.write_bytes(BUNDLE)
    labs.add(archive, DIGEST)
    return Agent(place, script, units, said)


def soon() -> Deadline:
    return Deadline.after(SECONDS)


def kinds(lines: list[SignedLine]) -> list[tuple[int, str, str]]:
    """Number, kind, and what a line says: a record's reason."""
    return [
        (one.number, one.kind, Record.from_json(one.body).reason if one.kind == "record" else one.body)
        for one in lines
    ]
