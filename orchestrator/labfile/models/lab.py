"""The model of a lab file: machines, the networks between them, exercises."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from orchestrator.arch import host_arch
from orchestrator.driver_traits import TRAITS, Boundary
from orchestrator.labfile import ssh_endpoint
from orchestrator.labfile.libvirt_uri import checked as checked_uri
from orchestrator.labfile.models.base import (
    NAME_PATTERN,
    ArchName,
    ExercisePath,
    MachineName,
    Spec,
)
from orchestrator.units import Duration, Size

FOLDER_PATTERN = r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$"


def _address(value: object) -> object:
    """An IPv4 address as text. Raises ValueError."""
    try:
        return str(ipaddress.IPv4Address(value)) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("expected an IPv4 address such as 10.77.0.1") from None


def _subnet(value: object) -> object:
    """An IPv4 network as text, with room for two machines. Raises ValueError."""
    try:
        found = ipaddress.IPv4Network(value, strict=False) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or "/" not in str(value):
        raise ValueError("expected a subnet such as 10.77.0.0/24")
    if str(found) != value:
        raise ValueError(f"expected a network address without host bits: {found}")
    if not 8 <= found.prefixlen <= 30:
        raise ValueError("expected a prefix length of 8 to 30")
    return value


def _driver(value: object) -> object:
    """The name of an existing driver. Raises ValueError."""
    if value not in list(TRAITS):
        raise ValueError("expected one of: " + ", ".join(TRAITS))
    return value


def _by_name(value: object) -> object:
    return {name: None for name in value} if isinstance(value, list) and _texts(value) else value


def _texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


Address = Annotated[str, BeforeValidator(_address)]
Subnet = Annotated[str, BeforeValidator(_subnet)]
Joined = Annotated[
    dict[Annotated[str, Field(pattern=NAME_PATTERN)], Address | None],
    BeforeValidator(_by_name),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "pattern": NAME_PATTERN}},
                {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
            ]
        }
    ),
]
"""Networks a machine joins, each with its address there; None takes the next free one."""

DriverName = Annotated[
    str, BeforeValidator(_driver), WithJsonSchema({"enum": list(TRAITS), "type": "string"})
]
Accel = Literal["auto", "kvm", "tcg"]
ServerAddress = Annotated[str, AfterValidator(ssh_endpoint.checked_address)]
JumpHost = Annotated[str, AfterValidator(ssh_endpoint.checked_jump)]
HostKey = Annotated[str, AfterValidator(ssh_endpoint.checked_host_key)]
LoginName = Annotated[str, AfterValidator(ssh_endpoint.checked_user)]
RemoteFolder = Annotated[str, Field(pattern=FOLDER_PATTERN)]
LibvirtUri = Annotated[str, AfterValidator(checked_uri)]


class MachineDefaults(Spec):
    """Keys a lab may set for all of its machines at once."""

    driver: DriverName | None = None
    """What kind of machine it is."""
    arch: ArchName | None = None
    """Its architecture. By default the host's."""
    image: str | None = None
    """What a guest or container is made of: micro, debian, or a recipe in the lab's folder images/."""
    memory: Size | None = None
    """Memory, such as 256MiB."""
    cpus: Annotated[int, Field(ge=1, le=64)] | None = None
    """Number of processors."""
    pids: Annotated[int, Field(ge=8, le=32768)] | None = None
    """Most processes in a container."""
    accel: Accel | None = None
    """Whether KVM runs the guest (kvm), emulation (tcg), or whichever works (auto)."""
    engine: Literal["auto", "podman", "docker"] | None = None
    """The container engine; auto prefers Podman."""
    uri: LibvirtUri | None = None
    """Which libvirt daemon, such as qemu:///system or qemu+ssh://HOST/system."""
    boot_timeout: Duration | None = None
    """How long it may take to come up, such as 5min."""
    networks: Joined | None = None
    """Networks it joins: a list of names, or a mapping from name to address."""
    user: LoginName | None = None
    """For driver ssh: who logs in. By default whoever runs isolab."""
    key: Annotated[str, Field(min_length=1)] | None = None
    """For driver ssh: the file of the private key."""
    jump: JumpHost | None = None
    """For driver ssh: a host to go through, such as user@gateway:22."""
    folder: RemoteFolder | None = None
    """For driver ssh: a folder there in which isolab makes its own."""


class Network(Spec):
    """A private network between machines of a lab.

    ``subnet`` None is 10.77.N.0/24, N being the network's index in the lab. ``internet`` lets its
    machines reach the Internet.
    """

    subnet: Subnet | None = None
    """Its subnet, such as 10.77.0.0/24. By default one of its own."""
    internet: bool = False
    """Whether its machines reach the Internet."""


class Machine(Spec):
    """One machine of a lab, complete. ``arch`` None means the host's own, ``pids`` (the processes a
    container may have) None the driver's usual limit;
    ``uri`` None is this host's libvirt daemon: the system daemon for root, else the user's session.

    The keys from ``address`` on are for machines that already exist (driver ssh): ``user`` None is
    the user running isolab, ``key`` a path (None: the agent and the default keys), ``host_key`` None
    is looked up in known_hosts, ``folder`` is where its scratch folder is created, ``boundary`` is
    the machine's boundary, and on a ``disposable`` one exercises may run as root.
    """

    driver: DriverName
    """What kind of machine it is."""
    arch: ArchName | None = None
    """Its architecture. By default the host's."""
    image: str = "micro"
    """What a guest or container is made of: micro, debian, or a recipe in the lab's folder images/."""
    memory: Size = 256 * 2**20
    """Memory, such as 256MiB."""
    cpus: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of processors."""
    pids: Annotated[int, Field(ge=8, le=32768)] | None = None
    """Most processes in a container."""
    accel: Accel = "auto"
    """Whether KVM runs the guest (kvm), emulation (tcg), or whichever works (auto)."""
    engine: Literal["auto", "podman", "docker"] = "auto"
    """The container engine; auto prefers Podman."""
    uri: LibvirtUri | None = None
    """Which libvirt daemon, such as qemu:///system or qemu+ssh://HOST/system."""
    boot_timeout: Duration | None = None
    """How long it may take to come up, such as 5min."""
    networks: Joined = {}
    """Networks it joins: a list of names, or a mapping from name to address."""
    address: ServerAddress | None = None
    """For driver ssh: host name or address of a machine that exists."""
    user: LoginName | None = None
    """For driver ssh: who logs in. By default whoever runs isolab."""
    key: Annotated[str, Field(min_length=1)] | None = None
    """For driver ssh: the file of the private key."""
    host_key: HostKey | None = None
    """For driver ssh: the machine's public host key. By default the one in known_hosts."""
    jump: JumpHost | None = None
    """For driver ssh: a host to go through, such as user@gateway:22."""
    folder: RemoteFolder = "/tmp"
    """For driver ssh: a folder there in which isolab makes its own."""
    boundary: Literal["process", "container", "vm", "emulated"] = "vm"
    """For driver ssh: what kind of boundary the machine is."""
    disposable: bool = False
    """For driver ssh: whether exercises may run as root there."""


class Lab(Spec):
    """A lab file. ``machines`` are complete: ``defaults`` are already merged in by ``load``.

    ``at_once`` limits how many of them may be up at a time (1 where something is measured); None
    leaves it to the engine. Machines on a common network are up together regardless. ``across`` says how the
    points of one exercise on several machines become a grade.
    """

    lab: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Name of the lab."""
    title: str = ""
    """One line for people."""
    description: str = ""
    """What the lab shows, for people."""
    defaults: MachineDefaults = MachineDefaults()
    """Keys for every machine that does not set them."""
    at_once: Annotated[int, Field(ge=1, le=64)] | None = None
    """How many machines may be up at a time: 1 where something is measured."""
    across: Literal["lowest", "mean"] = "lowest"
    """Which points of an exercise count in a grade where it runs on several machines: the lowest, or their
    mean."""
    networks: dict[MachineName, Network] = {}
    """Private networks between machines."""
    machines: Annotated[dict[MachineName, Machine], Field(min_length=1)]
    """The machines, by name; columns of the report, in this order."""
    exercises: Annotated[list[ExercisePath], Field(min_length=1)]
    """What to run, in this order: ipc/pipe is built in, ./mine is a folder beside this file."""


def boundary_of(machine: Machine) -> Boundary:
    """A machine's boundary: determined by its driver and architecture, or declared by its owner."""
    traits = TRAITS[machine.driver]
    boundary = traits.native if machine.arch in (None, host_arch().name) else traits.foreign
    return boundary or Boundary(machine.boundary)
