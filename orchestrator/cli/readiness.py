"""What keeps the machines of a lab from running on this host, found out without starting any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator import drivers
from orchestrator.compile import glibc
from orchestrator.compile.toolchain import in_cache
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, SpecError
from orchestrator.formatting import size_words
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.load import LoadedLab, load_lab
from orchestrator.labfile.models import Machine
from orchestrator.labfile.plan import arch_of
from orchestrator.machines import host_packages
from orchestrator.machines.shortfall import Shortfall, needs_of_lab, shortfall
from orchestrator.paths import EXERCISES

_ASK_SECONDS = 60.0


@dataclass(frozen=True)
class Readiness:
    """Packages that are missing, whether isolab may install them, and, in sentences, what else keeps
    machines from running here."""

    packages: Shortfall
    installs: bool
    obstacles: tuple[str, ...]

    @property
    def blocked(self) -> bool:
        """Whether some machine will not run unless somebody does something."""
        return bool(self.obstacles) or (bool(self.packages.lacking) and not self.installs)

    def sentences(self) -> list[str]:
        """Say what is missing, and what to do about it in one line."""
        lines = [*self.packages.told(), *self.obstacles]
        if self.packages.lacking:
            lines.append(f"to install: {self.packages.line or self.packages.advice}")
        if self.packages.lacking and self.installs:
            lines.append("(`isolab run` installs it by itself)")
        return lines


def readiness(lab: LoadedLab, only: Sequence[str] = ()) -> Readiness:
    """Ask packages and drivers about these machines of a lab (empty: all)."""
    deadline = Deadline.after(_ASK_SECONDS)
    needs = needs_of_lab(lab, only, {**recipes(), **lab.recipes})
    packages = shortfall(needs, deadline)
    obstacles: dict[str, list[str]] = {}
    for name in needs:
        if name not in packages.lacking and (words := _obstacle(lab, name)):
            obstacles.setdefault(words, []).append(name)
    told = tuple(f"{', '.join(names)}: {words}" for words, names in obstacles.items())
    return Readiness(packages, bool(packages.lacking) and host_packages.may_install(deadline), told)


def _obstacle(lab: LoadedLab, name: str) -> str:
    machine = lab.lab.machines[name]
    try:
        drivers.load(machine.driver).check(machine, arch_of(machine))
    except LabError as problem:
        return f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    return ""


def libraries_to_get(lab: LoadedLab, machines: Mapping[str, Machine]) -> tuple[str, ...]:
    """Say which architectures' glibc these machines of a lab need and this host has not downloaded, and about
    how much that is."""
    if all(exercise.spec.libc == "musl" for exercise in lab.exercises):
        return ()
    arches = {arch.name: arch.linked_with("glibc") for arch in map(arch_of, machines.values())}
    absent = [arch for arch in arches.values() if in_cache(arch) is None]
    if not absent:
        return ()
    size = size_words(sum(glibc.download_bytes(arch) for arch in absent))
    return (f"glibc to download for {', '.join(arch.name for arch in absent)}: about {size}",)


def usual_packages() -> Shortfall:
    """Return what this host lacks for the built-in labs, by lab."""
    needs = {}
    for name, folder in builtin_labs().items():
        try:
            lab = load_lab(folder, EXERCISES, images=least_memory(recipes()))
        except SpecError:  # `validate` says what is wrong with it
            continue
        own = needs_of_lab(lab, (), {**recipes(), **lab.recipes})
        needs[name] = list({need.what: need for found in own.values() for need in found}.values())
    return shortfall(needs, Deadline.after(_ASK_SECONDS))
