"""Mistakes no single value shows: values that contradict each other, files that are not there."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.arch import ARCHITECTURES, PC_ARCHITECTURES
from orchestrator.driver_traits import ANY_ARCH, GUESTS
from orchestrator.errors import Problem
from orchestrator.host.confine import confined
from orchestrator.labfile.check_ssh import misplaced
from orchestrator.labfile.messages import validate
from orchestrator.labfile.models import Machine
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath
from orchestrator.labfile.yaml_nodes import Place

_MIB = 2**20
LEAST_MEMORY = 64 * _MIB
"""Bytes below which no guest of ours boots, whatever its architecture."""


@dataclass(frozen=True)
class MachineLint:
    """Checks one machine of a lab. ``merged`` is the machine with the lab's defaults, ``images``
    what each image there is needs of memory at least, in bytes.

    ``host`` is the architecture labs run on, by Debian's name; empty when it is not in our table.
    ``boxed`` are the images that only containers can have.
    """

    document: Document
    name: str
    merged: Mapping[str, Any]
    images: Mapping[str, int]
    host: str
    boxed: Collection[str] = ()

    def problems(self) -> Iterator[Problem]:
        """What contradicts itself or the host; says nothing about values that are wrong alone."""
        sound = self._sound()
        if sound is None:
            return
        machine, wrong = sound
        if "image" not in wrong and machine.image not in self.images:
            known = ", ".join(sorted(self.images))
            advice = did_you_mean(machine.image, self.images) or f"known: {known}"
            yield self._problem(f"unknown image {quote(machine.image)}", advice, "image")
        # Among the defaults it may be meant for other machines.
        if ("machines", self.name, "uri") in self.document.places and machine.driver != "libvirt":
            yield self._problem(f"driver {machine.driver} has no uri", "use driver: libvirt", "uri")
        yield from self._foreign(machine)
        yield from self._for_containers(machine)
        own = [key for key in self.merged if ("machines", self.name, key) in self.document.places]
        for key, message, advice in misplaced(machine.driver, own):
            yield self._problem(message, advice, key)
        if machine.driver == "ssh" and not self.merged.get("address"):
            yield self._problem("driver ssh needs an address", "give `address:` the machine's host name")
        if machine.driver in GUESTS and not wrong & {"memory", "arch"}:
            yield from self._memory(machine)

    def _sound(self) -> tuple[Machine, set[str]] | None:
        """The machine without the keys that are wrong alone, and these keys."""
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
        if machine.driver == "virtualbox":
            if (machine.arch or self.host) not in PC_ARCHITECTURES:
                known = " and ".join(PC_ARCHITECTURES)
                reason = f"VirtualBox runs guests of {known}, not {machine.arch or self.host}"
                yield self._problem(reason, "use driver: qemu", "arch", "driver")
            return
        if machine.arch is None or machine.arch == self.host:
            return
        host = self.host or "unknown"
        if machine.driver == "process":
            return  # emulated in user mode
        if machine.driver not in ANY_ARCH:
            reason = f"driver {machine.driver} runs on the host's kernel ({host}), not {machine.arch}"
            yield self._problem(reason, "use driver: qemu or process, or leave out arch", "arch", "driver")
        elif machine.driver in GUESTS and machine.accel == "kvm":
            reason = f"KVM runs only the host's own architecture ({host}), not {machine.arch}"
            yield self._problem(reason, "use accel: auto", "accel", "arch")

    def _for_containers(self, machine: Machine) -> Iterator[Problem]:
        if machine.driver == "container":
            return
        if machine.image in self.boxed:
            reason = f"image {quote(machine.image)} is for containers, not for driver {machine.driver}"
            yield self._problem(reason, "use driver: container", "image", "driver")
        if ("machines", self.name, "pids") in self.document.places:
            reason = f"'pids' limits containers, and driver {machine.driver} would ignore it"
            yield self._problem(reason, "use driver: container, or leave it out", "pids")

    def _memory(self, machine: Machine) -> Iterator[Problem]:
        arch = machine.arch or self.host
        least = max(LEAST_MEMORY, ARCHITECTURES[arch].memory if arch in ARCHITECTURES else 0)
        least = max(least, self.images.get(machine.image, 0))
        if machine.memory < least:
            needed = f"{least // _MIB}MiB"
            reason = f"{quote(self.merged['memory'])} of memory is too little for {self._who(machine, arch)}"
            yield self._problem(reason, f"give at least {needed}", "memory", "arch")

    def _who(self, machine: Machine, arch: str) -> str:
        """What needs more memory, in words."""
        image = f" with image {machine.image}" if self.images.get(machine.image, 0) > LEAST_MEMORY else ""
        return (arch or "a machine") + image

    def _problem(self, message: str, suggestion: str, *keys: str) -> Problem:
        return Problem(self.document.file, *self._place(keys), message, suggestion)

    def _place(self, keys: tuple[str, ...]) -> Place:
        """The first of these keys that the machine itself has, else that the defaults have."""
        for key in keys:
            if ("machines", self.name, key) in self.document.places:
                return self.document.place(("machines", self.name, key))
        for key in keys:
            if key in self.merged and ("defaults", key) in self.document.places:
                return self.document.place(("defaults", key))
        return self.document.place(("machines", self.name), key=True)


def exercise_problems(document: Document, folder: Path, spare: Collection[str] = ()) -> Iterator[Problem]:
    """Files an exercise names that are missing or outside, and commands that do not split.

    ``spare`` are files that need not be there: a student writes them.
    """
    data = document.data if isinstance(document.data, dict) else {}
    yield from _missing_files(document, folder, ("files",), data.get("files"), spare)
    builds = data.get("build")
    if isinstance(builds, dict):
        yield from _build_problems(document, folder, ("build",), builds, spare)
    for index, build in enumerate(builds if isinstance(builds, list) else []):
        yield from _build_problems(document, folder, ("build", index), build, spare)
    run = data.get("run")
    if isinstance(run, str):
        yield from _command_problems(document, ("run",), run)
    for index, step in enumerate(run if isinstance(run, list) else []):
        command = step.get("run") if isinstance(step, dict) else None
        yield from _command_problems(document, ("run", index, "run"), command)


def _build_problems(
    document: Document, folder: Path, path: DataPath, build: object, spare: Collection[str]
) -> Iterator[Problem]:
    if not isinstance(build, dict):
        return
    yield from _missing_files(document, folder, (*path, "sources"), build.get("sources"), spare)
    yield from _missing_files(document, folder.parent, (*path, "headers"), build.get("headers"), ())
    output = build.get("output")
    if isinstance(output, str) and (output in ("", ".", "..") or "/" in output or "\0" in output):
        yield document.problem((*path, "output"), "expected the name of a file, without a folder")


def _missing_files(
    document: Document, folder: Path, path: DataPath, names: object, spare: Collection[str]
) -> Iterator[Problem]:
    for index, name in enumerate(names if isinstance(names, list) else []):
        if not isinstance(name, str) or name in spare:
            continue
        try:
            if confined(folder, name).is_file():
                continue
            yield document.problem((*path, index), f"{quote(name)} is not a file")
        except FileNotFoundError:
            there = [file.name for file in folder.iterdir() if file.is_file()]
            yield document.problem((*path, index), f"no file {quote(name)}", did_you_mean(name, there))
        except ValueError as error:
            yield document.problem((*path, index), f"{quote(name)} {error}")


def _command_problems(document: Document, path: DataPath, command: object) -> Iterator[Problem]:
    if not isinstance(command, str) or not command:
        return
    try:
        if shlex.split(command):
            return
        yield document.problem(path, "expected a command")
    except ValueError as error:
        yield document.problem(path, f"the command does not split into words: {str(error).lower()}")
