"""A made-up agent: speaks the protocol on a socket, runs nothing, and signs what it says it did.

``script`` says what a unit does: it is called with the unit and yields bodies of records. Threads only.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.cluster.agent.protocol import decode, encode
from orchestrator.cluster.model import HostFacts, SignedLine, Unit
from orchestrator.labfile.plan import Job
from orchestrator.record import Record, Status

Script = Callable[[Unit], Iterator[tuple[str, str]]]
"""Yields kind and body of each line."""


def record_of(job: Job, exercise: str, host: str = "") -> Record:
    """A record that passes."""
    return Record(
        run=job.run,
        lab=job.lab,
        host=host,
        machine=job.machine,
        student=job.student,
        driver="process",
        boundary="none",
        arch="amd64",
        accel="none",
        exercise=exercise,
        status=Status.PASS,
    )


def all_pass(unit: Unit) -> Iterator[tuple[str, str]]:
    for job in unit.jobs:
        for exercise in job.exercises:
            yield "record", record_of(job, exercise).to_json()


@dataclass
class MadeUpAgent:
    """An agent of a host, listening on ``path``. ``ran`` are the units it began, key and epoch."""

    host: str
    path: Path
    script: Script = all_pass
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    ran: list[tuple[str, int]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    beaten: list[list[str]] = field(default_factory=list)
    """The runs of each beat."""
    refuse: str = ""
    """Why it runs nothing now, if it does not."""

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: dict[tuple[str, int], list[SignedLine]] = {}
        self._highest: dict[str, int] = {}
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(self.path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def public_key(self) -> str:
        return self.key.public_key().public_bytes_raw().hex()

    def close(self) -> None:
        self._server.close()
        self.path.unlink(missing_ok=True)

    def facts(self) -> HostFacts:
        return HostFacts(
            self.host, "1", "3.11", "amd64", 2, 4096 * 2**20, False, time.time(), self.public_key
        )

    def cancel(self, run: str) -> None:
        self.cancelled.append(run)

    def sign(self, line: SignedLine) -> SignedLine:
        return replace(line, signature=self.key.sign(line.signed()).hex())

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                asked, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(asked,), daemon=True).start()

    def _serve(self, asked: socket.socket) -> None:
        with contextlib.suppress(OSError), asked, asked.makefile("rb") as lines:
            for line in lines:
                message = decode(line)
                for answer in self._answers(message):
                    asked.sendall(encode({"id": message["id"], **answer}))

    def _answers(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        match message["ask"]:
            case "facts":
                yield {"done": asdict(self.facts())}
            case "beat":
                self.beaten.append(list(message["leases"]))
                yield {"done": {"lost": []}}
            case "cancel":
                self.cancel(message["run"])
                yield {"done": {"units": []}}
            case "run":
                yield from self._follow(message)
            case other:
                yield {"error": f"a made-up agent does not know {other}", "hint": "", "code": 3}

    def _follow(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self.refuse:
            yield {"error": self.refuse, "hint": "", "code": 3}
            return
        unit = Unit.from_json(message["unit"])
        place = (unit.key, unit.epoch)
        with self._changed:
            if unit.epoch < self._highest.get(unit.key, 0):
                yield {"error": "an epoch that is over", "hint": "", "code": 3}
                return
            self._highest[unit.key] = unit.epoch
            if place not in self._lines:
                self._lines[place] = []
                self.ran.append(place)
                threading.Thread(target=self._run, args=(unit, place), daemon=True).start()
        said = 0
        while True:
            with self._changed:
                while len(self._lines[place]) == said:
                    self._changed.wait()
                fresh = self._lines[place][said:]
            for line in fresh:
                yield {"item": line.to_json()}
            said += len(fresh)
            if fresh[-1].kind == "end":
                yield {"done": {"lines": said}}
                return

    def lines(self, unit: str, epoch: int) -> list[SignedLine]:
        """The lines it has of a unit."""
        with self._changed:
            return [*self._lines.get((unit, epoch), ())]

    def _run(self, unit: Unit, place: tuple[str, int]) -> None:
        number = 0
        for kind, body in self.script(unit):
            self._add(place, SignedLine(self.host, unit.key, unit.epoch, number, kind, body))
            number += 1
        self._add(place, SignedLine(self.host, unit.key, unit.epoch, number, "end", ""))

    def _add(self, place: tuple[str, int], line: SignedLine) -> None:
        with self._changed:
            self._lines[place].append(line if line.signature else self.sign(line))
            self._changed.notify_all()
