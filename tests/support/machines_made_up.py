"""A driver whose machines are notes, and the context of a lab made of them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from factories import SITE, FakeTransport, answer, image

from orchestrator import drivers
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import LabError
from orchestrator.host.process import Finished
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines import provision
from orchestrator.machines.context import MachineContext
from orchestrator.machines.journal import Journal
from orchestrator.machines.networks import Networks
from orchestrator.machines.provision import LabContext
from orchestrator.progress import Progress, SilentProgress

FACTS = {
    "kernel": "6.12.1", "machine": "x86_64", "bits": 64, "byte_order": "little", "page_size": 4096,
    "cpus": 1, "spin_us": 4000.0, "features": {"landlock": "too old"},
}  # fmt: skip
SLOW_FACTS = json.dumps({**FACTS, "spin_us": 8000.0}).encode()


class Runner(FakeTransport):
    """A transport with a runner behind it, which says the facts and that every program ended well."""

    def __init__(self, facts: bytes) -> None:
        super().__init__([b""])
        self._facts = facts
        self._answers: list[bytes] = []
        self.orders: list[bytes] = []

    def open(self, _argv: object, _deadline: Deadline) -> Runner:
        return self

    def send(self, data: bytes, _deadline: Deadline) -> None:
        self.orders.append(data)
        self._answers.append(answer(self._facts) if b"--facts" in data else answer(b'{"a": 1}\n'))

    def receive(self, _deadline: Deadline) -> bytes:
        return self._answers.pop(0)

    def complaints(self) -> str:
        return ""

    def end_input(self) -> None:
        pass

    def finish(self, _deadline: Deadline) -> Finished:
        return Finished((), 0, b"", b"")

    def close(self) -> None:
        pass


@dataclass
class NotedDriver:
    """Notes what it is told; ``before_up`` may raise."""

    journal: Journal
    before_up: Callable[[Handle], None] = lambda _: None
    before_down: Callable[[Handle], None] = lambda _: None
    facts: bytes = SLOW_FACTS
    ups: list[str] = field(default_factory=list)
    downs: list[str] = field(default_factory=list)

    def check(self, _machine: object, _arch: object) -> None:
        pass

    def prepare(self, order: Order) -> Handle:
        site = replace(SITE, probe=("run", "--facts"), runner=("run",))
        return Handle("process", order.run, order.name, "amd64", "process", "none", str(order.scratch), site)

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        assert handle in [entry.handle for entry in self.journal.entries()]  # journalled before it is
        self.before_up(handle)
        self.ups.append(handle.machine)
        return replace(handle, data={"start": "cold"})

    @contextlib.contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[Any]:
        yield Runner(self.facts)

    def down(self, handle: Handle) -> None:
        self.before_down(handle)
        self.downs.append(handle.machine)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        yield from ()


def context_of(journal: Journal) -> MachineContext:
    return MachineContext(journal, SilentProgress(), Cancellation())


def lab_context_of(
    lab: LoadedLab, driver: NotedDriver, folder: Path, patch: pytest.MonkeyPatch
) -> LabContext:
    """The context of a lab whose images are there and whose every driver is this one."""
    patch.setattr(drivers, "load", lambda _: driver)
    patch.setattr(provision, "make_image", lambda *_: image("amd64"))
    packages: Future[Mapping[str, LabError]] = Future()
    packages.set_result({})
    machines = context_of(driver.journal)
    return LabContext(
        machines=machines,
        lab=lab,
        recipes={},
        archives=cast(Any, None),
        packages=packages,
        make_slots=threading.Semaphore(1),
        networks=Networks(lab.lab, machines, folder / "scratch", folder / "logs"),
        scratch=folder / "scratch",
        out=folder / "logs",
    )
