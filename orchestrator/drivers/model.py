"""What a driver is ordered to make, and what it made, as data: Order, Handle and what they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator.arch import Arch
from orchestrator.driver_traits import Boundary
from orchestrator.images import Image
from orchestrator.labfile.models import Machine, boundary_of
from orchestrator.transport.base import Site

TAG = "isolab"
"""Begins the name of everything we create on a host."""

UNUSED_IDS: Mapping[str, int] = MappingProxyType({"student": 60600, "other": 60601})
"""Whom programs run as where the accounts are not ours to make, by the user's name in exercises:
in none of the ranges systemd.io/UIDS-GIDS gives away."""

NETWORK_PREFIX = "net."
"""Begins the name under which a network is journalled; no machine's name has a dot."""


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

    @property
    def memory_mib(self) -> int:
        """The guest's memory: what the lab says, but at least what its firmware, kernel and system
        need."""
        return max(self.machine.memory, self.arch.memory, self.image.memory) // 2**20

    def unplugged(self) -> Order:
        """The same machine with interfaces that lead nowhere."""
        return replace(self, attachments=tuple(replace(place, plug="") for place in self.attachments))
