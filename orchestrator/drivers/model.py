"""Order (the machine wanted) and Handle (the machine made), as data, and their parts."""

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
"""Prefix of the name of everything isolab creates on a host."""

UNUSED_IDS: Mapping[str, int] = MappingProxyType({"student": 60600, "other": 60601})
"""User ids of programs where isolab cannot create accounts, by the user's name in exercises: in none
of the ranges assigned by systemd.io/UIDS-GIDS."""

NETWORK_PREFIX = "net."
"""Prefix of the name under which a network is journalled; no machine's name has a dot."""


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
        """Name that marks this machine's objects on the host."""
        return f"{TAG}-{self.run}-{self.machine}"

    @property
    def is_network(self) -> bool:
        """Whether this is a network between machines rather than a machine."""
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
    """A frozen, tested guest in the cache: its memory and the state of its devices.

    ``facts`` is the runner's output in a clone when the template was tested, ``clone_seconds``
    how long that clone took to answer, ``clone_memory`` the bytes of this host's memory that it then
    shared with no other (0: not measured). ``on_trial``: it is being tested now, so a machine that cannot
    be cloned from it fails instead of booting.
    """

    folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    clone_seconds: float = 0.0
    on_trial: bool = False
    clone_memory: int = 0

    @property
    def memory(self) -> Path:
        return self.folder / "memory"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def disk(self) -> Path:
        """Disk layer of the frozen guest (qcow2, over the image's)."""
        return self.folder / "disk.qcow2"

    @property
    def kernel(self) -> Path:
        """Beginning of the kernel: enough for QEMU to accept it, never run."""
        return self.folder / "kernel"

    @property
    def initrd(self) -> Path:
        """An empty page."""
        return self.folder / "initrd"


@dataclass(frozen=True)
class FrozenImage:
    """A frozen, tested emulator in the cache. ``facts`` and ``thaw_seconds`` are as a template's;
    ``descriptors`` are the numbers and flags of those that a thawed one is given, by what they are.
    ``on_trial``: it is being tested now, so a machine that cannot be thawed from it fails.
    """

    folder: Path
    descriptors: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    thaw_seconds: float = 0.0
    on_trial: bool = False

    @property
    def image(self) -> Path:
        """The emulator; only its owner may read it."""
        return self.folder / "emulator"


@dataclass(frozen=True)
class Attachment:
    """A machine's attachment to a private network: an additional interface.

    ``address`` is IPv4, ``prefix`` the length of the network's; ``mac`` is unique within the
    network. ``endpoint`` is where the driver's network takes this machine, as its
    ``prepare_network`` returned; an empty one leads nowhere. ``internet``: internet access is wanted.
    """

    network: str
    address: str
    prefix: int
    mac: str
    endpoint: str = ""
    internet: bool = False


@dataclass(frozen=True)
class NetworkOrder:
    """A network to create: its run, the machines on it, and where its files may be.

    ``arch`` is that of its first machine, ``uri`` the libvirt daemon all its machines use.
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
class HomeDisk:
    """The disk of a machine's home folder: an ext4 file system in a file, which outlives the machine.

    ``size`` is in bytes. ``file`` None is an empty one that is lost with the machine.
    """

    file: Path | None
    size: int


@dataclass(frozen=True)
class Order:
    """A machine to create: the specification with every open choice decided.

    ``scratch`` is its folder for sockets and working files, ``logs`` where its console log is
    kept after it is gone. ``accel`` is ``kvm``, ``tcg``, ``virtualbox`` or ``none``, or ``auto``
    where only the driver can find out, on another host; ``template`` is what it is to be cloned
    from, None for a cold boot; ``frozen`` is what it is to be thawed from, None for a clone.
    ``attachments`` are its places on networks, and ``hosts`` the names and addresses it is to know,
    its own first. ``runner`` is the host's own runner, where the image's is of another architecture
    and the machine has no kernel for that. ``home`` is mounted
    where user student lives; ``student_keys`` are lines of authorized_keys that may log in as student,
    besides the machine's own client key. ``counter_khz`` is the rate of the time-stamp counter that an
    emulated PC sees, None if unknown or of no use to it.
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
    frozen: FrozenImage | None = None
    attachments: tuple[Attachment, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    runner: Path | None = None
    home: HomeDisk | None = None
    student_keys: tuple[str, ...] = ()
    counter_khz: int | None = None

    @property
    def boundary(self) -> Boundary:
        return boundary_of(self.machine)

    @property
    def internet(self) -> bool:
        """Whether one of its networks has internet access."""
        return any(place.internet for place in self.attachments)

    @property
    def memory_mib(self) -> int:
        """The guest's memory: what the lab sets, but at least what its firmware, kernel and system
        need."""
        return max(self.machine.memory, self.arch.memory, self.image.memory) // 2**20

    def unplugged(self) -> Order:
        """Return the same order with interfaces that lead nowhere, and a home of nobody's."""
        places = tuple(replace(place, endpoint="") for place in self.attachments)
        return replace(self, attachments=places, home=self.home and replace(self.home, file=None))
