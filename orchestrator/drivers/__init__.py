"""Drivers: one way each to make a machine. No driver imports another.

A driver is pure ``render_*`` functions (order -> arguments) and a thin part that applies them.
``prepare`` decides every name in advance, so that the ledger can hold the handle before
anything exists; ``down`` works from the handle alone, in another process, any number of times.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.images import Image
from orchestrator.progress import Progress
from orchestrator.spec import Boundary, Machine
from orchestrator.transport import Conversing

if TYPE_CHECKING:
    from orchestrator.transport.ssh import Address  # brings paramiko, which takes its time

TAG = "isolab"
"""Begins the name of everything we create on a host."""


NETWORK_PREFIX = "net."
"""Begins the name under which a network is journalled; no machine's name has a dot."""


@dataclass(frozen=True)
class Site:
    """Where things are inside a machine, and who runs them there.

    ``runner`` is the argument list that starts the runner, ``work`` the folder beneath which
    exercises are put, ``users`` the user ids a program can be run as (a name that is missing
    cannot be had there); ``switch`` says whether the runner must change to them.
    ``homes`` are the users' own folders, where their shells start.
    ``emulator`` begins the command of every program made for the machine's architecture where
    that is not the kernel's; ``probe`` prints the facts there, instead of the runner.
    """

    runner: tuple[str, ...]
    work: str
    users: Mapping[str, int]
    switch: bool
    homes: Mapping[str, str] = field(
        default_factory=lambda: {"root": "/root", "student": "/home/student", "other": "/home/other"}
    )
    emulator: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()


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

    @property
    def is_network(self) -> bool:
        """Whether this is a network between machines instead of a machine."""
        return self.machine.startswith(NETWORK_PREFIX)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Handle:
        raw = json.loads(text)
        site = raw.pop("site")
        for name in ("runner", "emulator", "probe"):
            site[name] = tuple(site.get(name, ()))
        return cls(**raw, site=Site(**site))


@dataclass(frozen=True)
class Template:
    """A frozen guest in the cache, tested: its memory and the state of its devices.

    ``facts`` is what the runner said in a clone when the template was tested, ``clone_seconds``
    how long that clone took to answer.
    """

    folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    clone_seconds: float = 0.0

    @property
    def memory(self) -> Path:
        return self.folder / "memory"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def disk(self) -> Path:
        """What the frozen guest had written to its disk (qcow2, over the image's)."""
        return self.folder / "disk.qcow2"

    @property
    def kernel(self) -> Path:
        """The beginning of the kernel: enough for QEMU to accept it, never run."""
        return self.folder / "kernel"

    @property
    def initrd(self) -> Path:
        """A page of nothing."""
        return self.folder / "initrd"


@dataclass(frozen=True)
class Attachment:
    """A machine's place on a private network: an interface beside whatever it has anyway.

    ``address`` is IPv4, ``prefix`` the length of the network's; ``mac`` is unique within the
    network. ``plug`` is where the driver's own network lets this machine in, as its
    ``prepare_network`` said; an empty one leads nowhere. ``internet``: a way out is wanted.
    """

    network: str
    address: str
    prefix: int
    mac: str
    plug: str = ""
    internet: bool = False


@dataclass(frozen=True)
class NetworkOrder:
    """A network that is wanted: for which run, who is to join it, and where its files may be.

    ``arch`` is that of its first machine, ``uri`` the libvirt daemon that all its machines name.
    """

    run: str
    name: str
    driver: str
    subnet: str
    machines: tuple[str, ...]
    arch: Arch
    scratch: Path
    logs: Path
    uri: str | None = None


@dataclass(frozen=True)
class Order:
    """A machine that is wanted: the specification with everything open in it decided.

    ``scratch`` is its folder for sockets and working files, ``logs`` where its console log is
    kept after it is gone. ``accel`` is ``kvm``, ``tcg``, ``virtualbox`` or ``none``, or ``auto``
    where only the driver can find out, on another host; ``template`` is what it is to be cloned
    from, None for a cold boot. ``attachments`` are its places on networks, and ``hosts`` the
    names and addresses it is to know, its own first. ``runner`` is the host's own runner, where
    the image's is of another architecture and the machine has no kernel for that.
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
    attachments: tuple[Attachment, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    runner: Path | None = None

    @property
    def boundary(self) -> Boundary:
        return boundary_of(self.machine)

    @property
    def internet(self) -> bool:
        """Whether one of its networks gives a way out."""
        return any(place.internet for place in self.attachments)

    def unplugged(self) -> Order:
        """The same machine with interfaces that lead nowhere."""
        return replace(self, attachments=tuple(replace(place, plug="") for place in self.attachments))


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


class Networking(Protocol):
    """What a driver that can join its machines by private networks offers beside Driver.

    A network is journalled and removed as a machine is: its handle's ``machine`` begins with
    NETWORK_PREFIX, ``down`` removes it and ``leftovers`` finds it.
    """

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        """Decide every name. Pure. ``data["plugs"]`` maps each machine to its plug."""

    def lay(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        """Make the network; undoes itself on failure. Raises Unavailable, BootError."""


@runtime_checkable
class Reachable(Protocol):
    """A driver whose machines have an SSH server: people and their tools reach them by it."""

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        """How to reach the machine as root. Raises LabError when it is gone."""


@runtime_checkable
class Terminal(Protocol):
    """A driver that enters its machines by a program of this host."""

    terminal_from_us: bool
    """Whether an interactive program must be given a terminal made for it; else it makes one."""

    def terminal(self, handle: Handle, user: str, argv: Sequence[str], tty: bool) -> list[str]:
        """The command line that runs ``argv`` (absolute path first) in the machine as ``user``,
        with the standard descriptors it is started with; ``tty``: they are a terminal. Pure."""


@runtime_checkable
class Weighed(Protocol):
    """A driver that knows what its machines take of the host's memory."""

    def memory(self, handle: Handle) -> int:
        """Bytes, what is shared with other machines counted in proportion; 0 when it is gone."""


class Forgetting(Protocol):
    """An optional power: machines elsewhere may be gone for good, with what we left on them."""

    def forget(self, handle: Handle) -> None:
        """Stop trying to remove what is on that machine."""


@runtime_checkable
class Storing(Protocol):
    """A driver that keeps copies of images elsewhere."""

    def prune(self, keep: Collection[str]) -> Iterator[str]:
        """Remove copies of images whose key is not among ``keep``, naming each. Raises LabError."""


DRIVERS = ("process", "sandbox", "container", "qemu", "libvirt", "virtualbox", "ssh")

GUESTS = frozenset({"qemu", "libvirt", "virtualbox"})
"""Drivers whose machines have memory, processors and a kernel of their own, booted by us."""

ACCELERATED = frozenset({"qemu", "libvirt"})
"""Drivers whose machines run under KVM or TCG, whichever is proved to work."""

NATIVE = frozenset({"virtualbox"})
"""Drivers whose guests run on the processor itself, whichever of their architectures they have;
what accelerates them has the driver's name."""

CLONING = frozenset({"qemu"})
"""Drivers that clone machines from templates."""

ANY_ARCH = GUESTS | {"ssh"}
"""Drivers whose machines may have another architecture than the host."""


NETWORKING = frozenset({"qemu", "container", "libvirt", "virtualbox"})
"""Drivers that fulfil Networking."""

WITH_INTERNET = frozenset({"qemu", "libvirt"})
"""Those of them whose networks can have a way out."""


def load(name: str) -> Driver:
    """The driver of this name; its module has the name of the YAML value."""
    module = importlib.import_module(f"orchestrator.drivers.{name}")
    return cast(Driver, module.DRIVER)


def boundary_of(machine: Machine) -> Boundary:
    """Which boundary a machine is: its driver and architecture decide."""
    if machine.driver == "ssh":
        return Boundary(machine.boundary)  # only its owner knows
    native = machine.arch in (None, host_arch().name)
    if machine.driver == "process" and not native:
        return Boundary.USER_EMULATION
    if machine.driver not in GUESTS:
        return Boundary(machine.driver)
    native = native or machine.driver in NATIVE
    return Boundary.VM if native else Boundary.EMULATED
