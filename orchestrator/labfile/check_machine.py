"""Machine mistakes that no single value shows: contradictions with its driver, the host or itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestrator.arch import ARCHITECTURES, Arch
from orchestrator.driver_traits import TRAITS, drivers_that
from orchestrator.errors import Problem
from orchestrator.labfile.messages import validate
from orchestrator.labfile.models import Machine
from orchestrator.labfile.suggest import did_you_mean, either, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_nodes import Place

_MIB = 2**20
LEAST_MEMORY = 64 * _MIB
"""The least memory in bytes with which a guest of any architecture boots."""

_HOW_IT_IS_MADE = frozenset({"image", "memory", "cpus", "accel", "engine"})
"""Keys that do not apply to a machine that already exists."""


def misplaced(driver: str, keys: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """The machine's own keys that its driver does not take, each with a message and advice. Defaults
    are not checked: they apply to machines of every driver."""
    traits = TRAITS[driver]
    for key in keys:
        owners = [name for name, other in TRAITS.items() if key in other.own_keys]
        if traits.existing and key in _HOW_IT_IS_MADE:
            yield key, f"driver {driver} takes no {key}: its machines already exist", "leave it out"
        elif owners and driver not in owners:
            message = f"{key} is a key for driver {either(owners)}, not {driver}"
            yield key, message, f"use driver: {either(owners)}, or leave it out"


def memory_needed(machine: Machine, host: str, images: Mapping[str, int]) -> int:
    """Return the least memory, in bytes, with which this guest boots: of its architecture and its image."""
    arch = machine.arch or host
    known = ARCHITECTURES[arch].memory if arch in ARCHITECTURES else 0
    return max(LEAST_MEMORY, known, images.get(machine.image, 0))


def memory_user(machine: Machine, host: str, images: Mapping[str, int]) -> str:
    """Return what needs so much memory, in words."""
    image = f" with image {machine.image}" if images.get(machine.image, 0) > LEAST_MEMORY else ""
    return (machine.arch or host or "a machine") + image


@dataclass(frozen=True)
class MachineCheck:
    """Checks one machine of a lab. ``merged`` is the machine with the lab's defaults, ``images``
    maps each available image to the least memory it needs, in bytes.

    ``host`` is the architecture labs run on, by Debian's name; empty when isolab does not know it.
    ``boxed`` are the images that only containers can use.
    """

    document: Document
    name: str
    merged: Mapping[str, Any]
    images: Mapping[str, int]
    host: str
    boxed: Collection[str] = ()

    def problems(self) -> Iterator[Problem]:
        """Report contradictions in the machine or with the host; ignores values wrong by themselves."""
        sound = self._sound()
        if sound is None:
            return
        machine, wrong = sound
        traits = TRAITS[machine.driver]
        if "image" not in wrong and machine.image not in self.images:
            known = ", ".join(sorted(self.images))
            advice = did_you_mean(machine.image, self.images) or f"available: {known}"
            yield self._problem(f"unknown image {quote(machine.image)}", advice, "image")
        if machine.image in self.boxed and not traits.container_images:
            reason = f"image {quote(machine.image)} is for containers, not for driver {machine.driver}"
            advice = f"use driver: {either(drivers_that(lambda other: other.container_images))}"
            yield self._problem(reason, advice, "image", "driver")
        yield from self._foreign(machine)
        own = [key for key in self.merged if ("machines", self.name, key) in self.document.places]
        for key, message, advice in misplaced(machine.driver, own):
            yield self._problem(message, advice, key)
        if traits.existing and not self.merged.get("address"):
            advice = "set `address:` to the machine's host name"
            yield self._problem(f"driver {machine.driver} needs an address", advice)
        if traits.guest and not wrong & {"memory", "arch"}:
            yield from self._memory(machine)

    def _sound(self) -> tuple[Machine, set[str]] | None:
        """The machine without the keys that are invalid by themselves, and these keys."""
        try:
            return validate(Machine, self.merged), set()
        except ValidationError as error:
            wrong = {str(details["loc"][0]) for details in error.errors() if details["loc"]}
        try:
            rest = {key: value for key, value in self.merged.items() if key not in wrong}
            return validate(Machine, rest), wrong
        except ValidationError:
            return None

    def _foreign(self, machine: Machine) -> Iterator[Problem]:
        driver, traits = machine.driver, TRAITS[machine.driver]
        arch, host = machine.arch or self.host, self.host or "unknown"
        if traits.architectures and arch and arch not in traits.architectures:
            known = " and ".join(traits.architectures)
            reason = f"driver {driver} supports {known}, not {arch}"
            yield self._problem(reason, f"use driver: {self._instead(machine)}", "arch", "driver")
        elif arch == self.host:
            return
        elif not traits.architectures:
            reason = f"driver {driver} runs on the host's kernel ({host}), not {arch}"
            advice = f"use driver: {self._instead(machine)}, or leave out arch"
            yield self._problem(reason, advice, "arch", "driver")
        elif traits.accelerated and machine.accel == "kvm":
            reason = f"KVM runs only the host's own architecture ({host}), not {arch}"
            yield self._problem(reason, "use accel: auto", "accel", "arch")

    def _instead(self, machine: Machine) -> str:
        """The drivers that can run a machine of this architecture; only drivers that boot guests if
        this one does."""
        arch, guest = machine.arch or self.host, TRAITS[machine.driver].guest
        return either(drivers_that(lambda o: arch in o.architectures and not o.existing and o.guest >= guest))

    def _memory(self, machine: Machine) -> Iterator[Problem]:
        least = memory_needed(machine, self.host, self.images)
        if machine.memory < least:
            who = memory_user(machine, self.host, self.images)
            reason = f"{quote(self.merged['memory'])} of memory is too little for {who}"
            yield self._problem(reason, f"use at least {least // _MIB}MiB", "memory", "arch")
        elif arch := ARCHITECTURES.get(machine.arch or self.host):
            yield from self._memory_of(arch, machine.memory)

    def _memory_of(self, arch: Arch, memory: int) -> Iterator[Problem]:
        here = ("memory", "arch")
        if arch.most_memory and memory > arch.most_memory:
            reason = f"{quote(self.merged['memory'])} of memory is too much for {arch.name}"
            yield self._problem(reason, f"use at most {arch.most_memory // _MIB}MiB", *here)
        elif memory % arch.memory_step:
            step = arch.memory_step // _MIB
            reason = (
                f"{arch.name} guests have memory in steps of {step}MiB, not {quote(self.merged['memory'])}"
            )
            yield self._problem(reason, f"use {-(-memory // arch.memory_step) * step}MiB", *here)

    def _problem(self, message: str, suggestion: str, *keys: str) -> Problem:
        return Problem(self.document.file, *self._place(keys), message, suggestion)

    def _place(self, keys: tuple[str, ...]) -> Place:
        """Where the first of these keys is written: in the machine, else in the defaults."""
        for key in keys:
            if ("machines", self.name, key) in self.document.places:
                return self.document.place(("machines", self.name, key))
        for key in keys:
            if key in self.merged and ("defaults", key) in self.document.places:
                return self.document.place(("defaults", key))
        return self.document.place(("machines", self.name), key=True)
