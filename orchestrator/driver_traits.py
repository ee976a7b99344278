"""Traits of each driver, as data: no driver is loaded.

A new driver is a row here and a folder in ``orchestrator/drivers/``. Differences between drivers are
looked up here, or in an optional protocol of ``orchestrator/drivers/base.py``; no other module compares
driver names.
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
    """Properties of every machine of one driver.

    ``native`` is the boundary of a machine of the host's architecture and ``foreign`` of one of
    another; None where only the machine's owner knows it: the lab file states it.
    """

    native: Boundary | None
    foreign: Boundary | None
    architectures: tuple[str, ...] = ()
    """Architectures its machines can have, by Debian's names; empty if they share the host's kernel and
    therefore its architecture."""
    guest: bool = False
    """Its machines have their own memory, processors and kernel, which isolab boots."""
    accelerated: bool = False
    """Its machines run under KVM or TCG, whichever is found to work."""
    hardware_only: bool = False
    """Its guests always run directly on the processor; the accelerator has the driver's name."""
    container_images: bool = False
    """Its machines can be created from container images."""
    existing: bool = False
    """Its machines exist already, at an ``address``: isolab creates nothing and configures nothing
    of them."""
    on_host: bool = False
    """Its machines are this host itself: not for untrusted programs."""
    limits_memory: bool = False
    """The lab's ``memory:`` is taken from the host."""
    networks: bool = False
    """It implements the protocol Networking."""
    no_networks: str = ""
    """Why it does not; follows a colon in messages."""
    most_networks: int | None = None
    """How many networks a machine can join, if limited by something other than memory."""
    most_networks_on: Mapping[str, int] = field(default_factory=dict)
    """The same for boards (QEMU machine types) with a lower limit."""
    internet: bool = False
    """Its networks can have internet access."""
    own_keys: frozenset[str] = frozenset()
    """Keys of a machine in a lab file that other drivers do not accept."""


_ROWS = {
    "process": DriverTraits(
        Boundary.PROCESS,
        Boundary.USER_EMULATION,
        architectures=tuple(ARCHITECTURES),
        on_host=True,
        no_networks="a process uses the host's network and has no interface of its own",
    ),
    "sandbox": DriverTraits(
        Boundary.SANDBOX,
        Boundary.SANDBOX,
        on_host=True,
        no_networks="a sandbox may not open network sockets",
    ),
    "container": DriverTraits(
        Boundary.CONTAINER,
        Boundary.CONTAINER,
        container_images=True,
        limits_memory=True,
        networks=True,
        own_keys=frozenset({"pids", "engine"}),
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
        own_keys=frozenset({"accel"}),
    ),
    "libvirt": DriverTraits(
        Boundary.VM,
        Boundary.EMULATED,
        architectures=tuple(ARCHITECTURES),
        guest=True,
        accelerated=True,
        limits_memory=True,
        networks=True,
        most_networks=11,  # PCI slots that isolab assigns
        most_networks_on={"malta": 2},  # its kernel has no interrupt line for further slots
        internet=True,
        own_keys=frozenset({"uri", "accel"}),
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
"""All drivers, in the order of the documentation."""


def drivers_that(holds: Callable[[DriverTraits], bool]) -> list[str]:
    """Return the names of the drivers with this property, in table order."""
    return [name for name, traits in TRAITS.items() if holds(traits)]
