"""Whether a class fits on this host: memory as measured on clones, disk, and the time until all are ready.
``planned`` is pure; ``plan_class`` looks at this host."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.arch import ARCHITECTURES
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.paths import class_state
from orchestrator.host import cache
from orchestrator.host.resources import Host, this_host
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.image_recipe import KINDS
from orchestrator.labfile.models import Machine
from orchestrator.labfile.plan import EMULATOR_OVERHEAD, arch_of
from orchestrator.paths import cache_dir

SAVE_TEMPLATE_SECONDS = 8.0
"""Roughly: saving a template and testing it. Booting it comes first."""
CLONE_SECONDS = 0.5
"""Roughly, of one processor, until a clone of a micro machine answers."""
HOME_BYTES = 2**21
"""What an empty home folder takes on disk."""


@dataclass(frozen=True)
class Measured:
    """What a clone of a machine was seen to take: bytes of this host's memory, and seconds of its processors
    until it answers."""

    memory: int
    seconds: float


@dataclass(frozen=True)
class MachineNeeds:
    """One machine of a seat. ``measured`` is None before the first clone of its kind on this host; ``most``
    is the memory it takes if its guest uses all it has, in bytes."""

    name: str
    arch: str
    image: str
    measured: Measured | None
    most: int
    seconds: float

    @property
    def memory(self) -> int:
        """Bytes to reckon with when it comes up."""
        return self.measured.memory if self.measured else self.most


@dataclass(frozen=True)
class ClassPlan:
    """A class on one host. ``seconds`` are until all are ready, ``making`` included: the seconds to make each
    template that is not there yet, by what it is of. Memory and disk in bytes. ``disk_most`` is what home
    folders take when all are full."""

    seats: int
    machines: tuple[MachineNeeds, ...]
    shared: tuple[MachineNeeds, ...]
    host: Host
    disk_free: int
    disk: int
    disk_most: int
    seconds: float
    making: Mapping[str, float]

    @property
    def count(self) -> int:
        return self.seats * len(self.machines) + len(self.shared)

    @property
    def memory(self) -> int:
        """Bytes that all machines take once they are up."""
        return self.seats * sum(one.memory for one in self.machines) + sum(one.memory for one in self.shared)

    @property
    def memory_most(self) -> int:
        """Bytes that all take if every guest uses all it has."""
        return self.seats * sum(one.most for one in self.machines) + sum(one.most for one in self.shared)

    @property
    def short_by(self) -> int:
        """Bytes of memory the host lacks; 0 when the class fits."""
        return max(0, self.memory - self.host.memory)

    @property
    def disk_short_by(self) -> int:
        """Bytes of disk the host lacks for what is written at the beginning."""
        return max(0, self.disk - self.disk_free)


def plan_class(found: LoadedClass, seats: Sequence[Seat]) -> ClassPlan:
    """Plan a class on this host. Raises Unavailable."""
    free = shutil.disk_usage(class_state(found)).free
    return planned(found, len(seats), this_host(), free, measured_here(found))


def measured_here(found: LoadedClass) -> dict[str, Measured]:
    """Return what clones of the class's kinds of machines were seen to take on this host, by kind."""
    labs = (found.machines, *((found.shared,) if found.shared else ()))
    kinds = {_kind(machine) for lab in labs for machine in lab.lab.machines.values()}
    return {kind: seen for kind in kinds if (seen := _measured(kind)) is not None}


def planned(
    found: LoadedClass,
    seats: int,
    host: Host,
    disk_free: int,
    measured: Mapping[str, Measured],
    *,
    shared: bool = True,
) -> ClassPlan:
    """Plan a class of so many seats, and (``shared``) its machines for everybody; ``measured`` is by kind of
    machine. Pure but for the recipes of isolab's own images, which it reads."""
    known = {**recipes(), **found.machines.recipes}
    efforts = {name: KINDS[recipe.kind].effort for name, recipe in known.items()}
    machines = tuple(
        _needs(name, one, measured, efforts[one.image]) for name, one in found.machines.lab.machines.items()
    )
    everybodys = tuple(
        _needs(name, one, measured, efforts[one.image])
        for name, one in (found.shared.lab.machines if found.shared and shared else {}).items()
    )
    homes = seats * len(machines) + len(everybodys)
    making = {
        f"{one.image} ({one.arch})": _making_seconds(one, efforts[one.image])
        for one in (*(machines if seats else ()), *everybodys)
        if not one.measured
    }
    work = seats * sum(one.seconds for one in machines) + sum(one.seconds for one in everybodys)
    return ClassPlan(
        seats=seats,
        machines=machines,
        shared=everybodys,
        host=host,
        disk_free=disk_free,
        disk=homes * HOME_BYTES,
        disk_most=homes * found.spec.quota.disk,
        seconds=round(sum(making.values()) + work / max(1, host.cpus) + 1, 1),
        making=making,
    )


def making_words(making: Mapping[str, float]) -> str:
    """Return what to say behind a time that includes ``ClassPlan.making``; "" if that is nothing. Pure."""
    if not making:
        return ""
    what = "template" if len(making) == 1 else "templates"
    return f", including {sum(making.values()):.0f} s to make the {what} of {' and '.join(making)}, once"


def _making_seconds(one: MachineNeeds, effort: float) -> float:
    return round(ARCHITECTURES[one.arch].boot_seconds * effort + SAVE_TEMPLATE_SECONDS, 1)


def _needs(name: str, machine: Machine, measured: Mapping[str, Measured], effort: float) -> MachineNeeds:
    arch, seen = arch_of(machine), measured.get(_kind(machine))
    most = max(machine.memory, arch.memory) + EMULATOR_OVERHEAD
    seconds = seen.seconds if seen else CLONE_SECONDS * effort
    return MachineNeeds(name, arch.name, machine.image, seen, most, seconds)


def _kind(machine: Machine) -> str:
    """Return how the names of templates of such a machine begin: ``machines/templates.key``."""
    return f"{machine.image}-{arch_of(machine).name}-"


def _measured(kind: str) -> Measured | None:
    """Return what the newest template of this kind was measured to take; None if there is none."""
    folders = (cache_dir() / "templates").glob(f"{kind}*")
    known = [folder for folder in folders if (folder / cache.META).is_file()]
    for folder in sorted(known, key=lambda one: one.stat().st_mtime, reverse=True):
        about = cache.meta(folder)
        if not about["reason"] and about.get("clone_memory"):
            return Measured(int(about["clone_memory"]), float(about["clone_seconds"]))
    return None
