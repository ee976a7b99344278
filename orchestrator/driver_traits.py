"""What sets the kinds of machines apart, one record for each driver. Vocabulary only: no driver is loaded.

A new driver is a row here, a folder in ``orchestrator/drivers/``, and its name in ``DriverName``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


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
    guest: bool = False
    """Its machines have memory, processors and a kernel of their own, booted by us."""
    accelerated: bool = False
    """Its machines run under KVM or TCG, whichever is proved to work."""
    hardware_only: bool = False
    """Its guests run on the processor itself, whichever of their architectures they have; what
    accelerates them has the driver's name."""
    clones: bool = False
    """It clones machines from templates."""
    any_arch: bool = False
    """Its machines may have another architecture than the host."""
    networks: bool = False
    """It fulfils the protocol Networking."""
    internet: bool = False
    """Its networks can have a way out."""
    on_host: bool = False
    """Its machines are this host itself: no place for what strangers wrote."""
    limits_memory: bool = False
    """The lab's ``memory:`` is taken from the host."""


TRAITS: Mapping[str, DriverTraits] = MappingProxyType(
    {
        "process": DriverTraits(Boundary.PROCESS, Boundary.USER_EMULATION, on_host=True),
        "sandbox": DriverTraits(Boundary.SANDBOX, Boundary.SANDBOX, on_host=True),
        "container": DriverTraits(Boundary.CONTAINER, Boundary.CONTAINER, networks=True, limits_memory=True),
        "qemu": DriverTraits(
            Boundary.VM,
            Boundary.EMULATED,
            guest=True,
            accelerated=True,
            clones=True,
            any_arch=True,
            networks=True,
            internet=True,
            limits_memory=True,
        ),
        "libvirt": DriverTraits(
            Boundary.VM,
            Boundary.EMULATED,
            guest=True,
            accelerated=True,
            any_arch=True,
            networks=True,
            internet=True,
            limits_memory=True,
        ),
        "virtualbox": DriverTraits(
            Boundary.VM,
            Boundary.VM,
            guest=True,
            hardware_only=True,
            any_arch=True,
            networks=True,
            limits_memory=True,
        ),
        "ssh": DriverTraits(None, None, any_arch=True),
    }
)
"""Every driver there is, in the order people read about them."""

DRIVERS = tuple(TRAITS)


def _those(holds: Callable[[DriverTraits], bool]) -> frozenset[str]:
    return frozenset(name for name, traits in TRAITS.items() if holds(traits))


GUESTS = _those(lambda traits: traits.guest)
ACCELERATED = _those(lambda traits: traits.accelerated)
HARDWARE_ONLY = _those(lambda traits: traits.hardware_only)
CLONING = _those(lambda traits: traits.clones)
ANY_ARCH = _those(lambda traits: traits.any_arch)
NETWORKING = _those(lambda traits: traits.networks)
WITH_INTERNET = _those(lambda traits: traits.internet)
ON_HOST = _those(lambda traits: traits.on_host)
