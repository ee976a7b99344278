"""What sets the kinds of machines apart, one record for each driver. Vocabulary only: no driver is loaded.

A new driver is a row here and a folder in ``orchestrator/drivers/``. Whatever differs between drivers
is asked of its row, or of an optional protocol in ``orchestrator/drivers/base.py``; no other module
compares a driver's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from orchestrator.arch import ARCHITECTURES, PC_ARCHITECTURES


class Boundary(StrEnum):
    """What stands between a machine's programs and the host, weakest first."""

    PROCESS = "process"
    USER_EMULATION = "user-emulation"
    SANDBOX = "sandbox"
    CONTAINER = "container"
    VM = "vm"
    EMULATED = "emulated"


@dataclass(frozen=True)
class DriverTraits:
    """What holds for every machine of one driver.

    ``native`` is the boundary of a machine of the host's architecture and ``foreign`` of one of
    another; None where only the machine's owner knows, and the lab file says.
    """

    native: Boundary | None
    foreign: Boundary | None
    architectures: tuple[str, ...] = ()
    """Debian's names of those its machines can have; empty where they have the host's kernel, and
    with it the host's architecture."""
    guest: bool = False
    """Its machines have memory, processors and a kernel of their own, booted by us."""
    accelerated: bool = False
    """Its machines run under KVM or TCG, whichever is proved to work."""
    hardware_only: bool = False
    """Its guests run on the processor itself, whichever of their architectures they have; what
    accelerates them has the driver's name."""
    container_images: bool = False
    """Its machines can be made of the images of container engines."""
    existing: bool = False
    """Its machines exist already, at an ``address``: nothing of them is made, and nothing they have
    can be chosen."""
    on_host: bool = False
    """Its machines are this host itself: no place for what strangers wrote."""
    limits_memory: bool = False
    """The lab's ``memory:`` is taken from the host."""
    networks: bool = False
    """It fulfils the protocol Networking."""
    no_networks: str = ""
    """Why it does not, in words that follow a colon."""
    most_networks: int | None = None
    """How many a machine can join, where something else than its memory sets the limit."""
    most_networks_on: Mapping[str, int] = field(default_factory=dict)
    """The same on boards (QEMU's machine types) that can have fewer."""
    internet: bool = False
    """Its networks can have a way out."""
    own_keys: frozenset[str] = frozenset()
    """Keys of a machine in a lab file that mean nothing to drivers without them."""


_ROWS = {
    "process": DriverTraits(
        Boundary.PROCESS,
        Boundary.USER_EMULATION,
        architectures=tuple(ARCHITECTURES),
        on_host=True,
        no_networks="a process has the host's network, and no interface of its own",
    ),
    "sandbox": DriverTraits(
        Boundary.SANDBOX,
        Boundary.SANDBOX,
        on_host=True,
        no_networks="a sandbox may open no network socket",
    ),
    "container": DriverTraits(
        Boundary.CONTAINER,
        Boundary.CONTAINER,
        container_images=True,
        limits_memory=True,
        networks=True,
        own_keys=frozenset({"pids"}),
    ),
    "qemu": DriverTraits(
        Boundary.VM,
        Boundary.EMULATED,
        architectures=tuple(ARCHITECTURES),
        guest=True,
        accelerated=True,
        limits_memory=True,
        networks=True,
        internet=True,
    ),
    "libvirt": DriverTraits(
        Boundary.VM,
        Boundary.EMULATED,
        architectures=tuple(ARCHITECTURES),
        guest=True,
        accelerated=True,
        limits_memory=True,
        networks=True,
        most_networks=11,  # places on its PCI bus that isolab gives
        most_networks_on={"malta": 2},  # its kernel has no interrupt line for further places
        internet=True,
        own_keys=frozenset({"uri"}),
    ),
    "virtualbox": DriverTraits(
        Boundary.VM,
        Boundary.VM,
        architectures=PC_ARCHITECTURES,
        guest=True,
        hardware_only=True,
        limits_memory=True,
        networks=True,
        most_networks=7,  # interfaces of its chipset but the one it is managed over
    ),
    "ssh": DriverTraits(
        None,
        None,
        architectures=tuple(ARCHITECTURES),
        existing=True,
        own_keys=frozenset(
            {"address", "user", "key", "host_key", "jump", "folder", "boundary", "disposable"}
        ),
    ),
}

TRAITS: Mapping[str, DriverTraits] = MappingProxyType(_ROWS)
"""Every driver there is, in the order people read about them."""


def drivers_that(holds: Callable[[DriverTraits], bool]) -> list[str]:
    """The names of the drivers of which this holds, in the table's order."""
    return [name for name, traits in TRAITS.items() if holds(traits)]
