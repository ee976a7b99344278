"""Start scheduler and workers, and tell them what they need over their standard input."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from orchestrator.cluster.scheduling import process_pipes, scheduler
from orchestrator.cluster.scheduling.certificates import Credentials, Role, issue
from orchestrator.cluster.scheduling.process_pipes import LONGEST
from orchestrator.deadline import Deadline
from orchestrator.errors import TimedOut, TransportError, Unavailable
from orchestrator.formatting import printable
from orchestrator.host.process import Conversation


class Pipes(Protocol):
    """A process on this host, or on another by way of SSH."""

    def send(self, data: bytes, deadline: Deadline) -> None: ...

    def receive(self, deadline: Deadline) -> bytes: ...

    def complaints(self) -> str: ...

    def close(self, *, at_once: bool = False) -> None: ...


@dataclass
class Started:
    """A process that is spoken to in lines of JSON; ``what`` is what errors call it."""

    pipes: Pipes
    what: str
    rest: bytes = b""
    heard: float = field(default_factory=time.monotonic)
    """When it said something last (``time.monotonic``)."""

    def send(self, message: Mapping[str, Any], deadline: Deadline) -> None:
        """Raises TransportError, TimedOut, Interrupted."""
        self.pipes.send(json.dumps(message).encode() + b"\n", deadline)

    def hear(self, deadline: Deadline) -> dict[str, Any]:
        """Return the next object it says. Raises Unavailable with its words if it cannot work, TransportError
        if it ended or said something else, TimedOut, Interrupted."""
        while b"\n" not in self.rest:
            part = self.pipes.receive(deadline)
            if not part or len(self.rest) > LONGEST:
                raise TransportError(f"{self.what} ended: {self._last_words()}")
            self.rest += part
        line, _, self.rest = self.rest.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise TransportError(f"{self.what} said {printable(line[:200].decode(errors='replace'))}")
        if "problem" in found:
            raise Unavailable(
                f"{self.what}: {printable(str(found['problem'])[:2000])}",
                hint=printable(str(found.get("hint", ""))[:2000]),
            )
        return found

    def require_alive(self, deadline: Deadline) -> None:
        """Listen until the deadline. Raises TransportError if it has been silent for too long, Unavailable if
        it says that it cannot work any more, Interrupted."""
        while deadline.remaining():
            try:
                self.hear(deadline)
                self.heard = time.monotonic()
            except TimedOut:
                if time.monotonic() - self.heard > process_pipes.SILENT_SECONDS:
                    raise TransportError(
                        f"{self.what} has not answered for {process_pipes.SILENT_SECONDS:.0f} s"
                    ) from None

    def _last_words(self) -> str:
        lines = self.pipes.complaints().strip().splitlines()
        return printable(lines[-1]) if lines else "without a word"


@dataclass(frozen=True)
class SchedulerProcess:
    """A scheduler that listens. ``dashboard`` is the address of its pages, or empty."""

    started: Started
    process: Conversation
    address: str
    dashboard: str
    credentials: Credentials

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


def start_scheduler(folder: Path, port: int, deadline: Deadline) -> SchedulerProcess:
    """Start the scheduler of a cluster on the loopback; ``port`` 0 is any. Raises LabError."""
    credentials = issue(folder, Role.SCHEDULER, "scheduler")
    process = Conversation(scheduler.COMMAND)
    try:
        started = Started(process, "the scheduler")
        started.send(
            {"credentials": credentials.to_data(), "port": port, "folder": str(folder / "dask")}, deadline
        )
        said = started.hear(deadline)
    except BaseException:
        process.close(at_once=True)
        raise
    return SchedulerProcess(started, process, str(said["address"]), str(said["dashboard"]), credentials)


@dataclass(frozen=True)
class WorkerNeeds:
    """What a worker is told first. ``memory`` in bytes; ``folder`` is that of the host's agent, there (None:
    that of the state of whoever runs the worker)."""

    host: str
    credentials: Credentials
    orders: str
    memory: int
    folder: Path | None = None


def introduce_worker(started: Started, needs: WorkerNeeds, deadline: Deadline) -> int:
    """Tell a worker that was just started who it is; returns the port of its
    loopback where it will listen. Raises LabError."""
    message: dict[str, Any] = {
        "host": needs.host,
        "credentials": needs.credentials.to_data(),
        "orders": needs.orders,
        "memory": max(0, needs.memory) // 2**20,
    }
    if needs.folder is not None:
        message["folder"] = str(needs.folder)
    started.send(message, deadline)
    said = started.hear(deadline)
    port = said.get("port")
    if type(port) is not int or not 0 < port < 65536:
        raise TransportError(f"{started.what} named no port")
    return port


def connect_worker(started: Started, contact: int, scheduler_port: int, deadline: Deadline) -> None:
    """Tell a worker the ports through which the scheduler reaches it and it reaches the scheduler, each on
    the loopback of who connects; returns when it is registered. Raises LabError."""
    where = {
        "contact": f"tls://127.0.0.1:{contact}",
        "scheduler": f"tls://127.0.0.1:{scheduler_port}",
    }
    started.send(where, deadline)
    started.hear(deadline)
