"""Drivers: one way each to make a machine. No driver imports another.

A driver is pure ``render_*`` functions (order -> arguments) and a thin part that applies them.
``prepare`` decides every name in advance, so that the ledger can hold the handle before
anything exists; ``down`` works from the handle alone, in another process, any number of times.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.images import Image
from orchestrator.progress import Progress
from orchestrator.spec import Boundary, Machine
from orchestrator.transport import Conversing

TAG = "isolab"
"""Begins the name of everything we create on a host."""


@dataclass(frozen=True)
class Site:
    """Where things are inside a machine, and who runs them there.

    ``runner`` is the argument list that starts the runner, ``work`` the folder beneath which
    exercises are put, ``users`` the user ids a program can be run as (a name that is missing
    cannot be had there); ``switch`` says whether the runner must change to them.
    """

    runner: tuple[str, ...]
    work: str
    users: Mapping[str, int]
    switch: bool


@dataclass(frozen=True)
class Handle:
    """A machine, as data: enough for any process on its host to connect to it or remove it."""

    driver: str
    run: str
    machine: str
    arch: str
    boundary: str
    accel: str
    scratch: str
    site: Site
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The name that marks this machine's objects on the host."""
        return f"{TAG}-{self.run}-{self.machine}"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Handle:
        raw = json.loads(text)
        site = raw.pop("site")
        return cls(**raw, site=Site(tuple(site["runner"]), site["work"], site["users"], site["switch"]))


@dataclass(frozen=True)
class Template:
    """A frozen guest in the cache, tested: its memory and the state of its devices."""

    folder: Path

    @property
    def memory(self) -> Path:
        return self.folder / "memory"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def kernel(self) -> Path:
        """The beginning of the kernel: enough for QEMU to accept it, never run."""
        return self.folder / "kernel"

    @property
    def initrd(self) -> Path:
        """A page of nothing."""
        return self.folder / "initrd"


@dataclass(frozen=True)
class Order:
    """A machine that is wanted: the specification with everything open in it decided.

    ``scratch`` is its folder for sockets and working files, ``logs`` where its console log is
    kept after it is gone. ``accel`` is ``kvm``, ``tcg``, ``virtualbox`` or ``none``; ``template`` is
    what it is to be cloned from, None for a cold boot.
    """

    run: str
    name: str
    machine: Machine
    arch: Arch
    image: Image
    accel: str
    scratch: Path
    logs: Path
    template: Template | None = None

    @property
    def boundary(self) -> Boundary:
        return boundary_of(self.machine)


class Driver(Protocol):
    """One kind of machine."""

    def check(self, machine: Machine, arch: Arch) -> None:
        """Find out, without side effects, whether this host can do it; raises Unavailable."""

    def prepare(self, order: Order) -> Handle:
        """Decide every name. Pure."""

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        """Bring the machine up until it answers; undoes itself on failure.

        Gives the handle with what only now is known added to its ``data``.
        """

    def connect(self, handle: Handle, deadline: Deadline) -> AbstractContextManager[Conversing]:
        """A way to run commands in the machine."""

    def down(self, handle: Handle) -> None:
        """Remove every trace; idempotent; returns when it is gone. Raises TeardownError."""

    def leftovers(self) -> Iterator[Handle]:
        """Everything on this host that carries our tag, found without the ledger."""


DRIVERS = ("process", "sandbox", "container", "qemu", "virtualbox")

GUESTS = frozenset({"qemu", "virtualbox"})
"""Drivers whose machines have memory, processors and a kernel of their own, booted by us."""

ACCELERATED = frozenset({"qemu"})
"""Drivers whose machines run under KVM or TCG, whichever is proved to work."""

NATIVE = frozenset({"virtualbox"})
"""Drivers whose guests run on the processor itself, whichever of their architectures they have;
what accelerates them has the driver's name."""

CLONING = frozenset({"qemu"})
"""Drivers that clone machines from templates."""


def load(name: str) -> Driver:
    """The driver of this name; its module has the name of the YAML value."""
    module = importlib.import_module(f"orchestrator.drivers.{name}")
    return cast(Driver, module.DRIVER)


def boundary_of(machine: Machine) -> Boundary:
    """Which boundary a machine is: its driver and architecture decide."""
    if machine.driver not in GUESTS:
        return Boundary(machine.driver)
    native = machine.driver in NATIVE or machine.arch in (None, host_arch().name)
    return Boundary.VM if native else Boundary.EMULATED
