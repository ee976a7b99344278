"""The plan of a lab: its jobs, and the memory, processors and time they need. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.arch import ARCHITECTURES, Arch, host_arch
from orchestrator.driver_traits import TRAITS
from orchestrator.host.resources import Host
from orchestrator.labfile.addresses import group_of
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.models import Machine, boundary_of

EMULATOR_OVERHEAD = 110 * 2**20
"""Bytes a QEMU process takes besides its guest's memory: translation cache, devices, itself."""
EXERCISE_SECONDS = 0.4
GRADING_START, CLONE_SECONDS, BUILD_SECONDS, POISON_SECONDS, STEP_SECONDS = 1.5, 0.1, 0.2, 0.07, 0.055
"""Processor seconds of grading: of a command's start; of a clone from its start to its end, with files and
first connection; of each program of a student's to compile, and to compile poisoned as well; of each step. As
measured by `bench grade` and labs with more of each; programs that compute take their own time besides."""


@dataclass(frozen=True)
class Job:
    """One machine and the exercises it runs: the unit an engine schedules. JSON-able.

    ``group`` are the machines that wait for each other because they share networks, this one
    included; an engine must run the jobs of a group in parallel on one host. Empty for a machine
    without a network.
    """

    run: str
    lab: str
    machine: str
    student: str
    exercises: tuple[str, ...]
    group: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachinePlan:
    """One machine of a lab and the resources it needs; ``memory`` is the host's, in bytes."""

    name: str
    driver: str
    boundary: str
    arch: str
    memory: int
    cpus: int
    ports: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A whole lab on one host."""

    machines: tuple[MachinePlan, ...]
    exercises: int
    host: Host
    seconds: float

    @property
    def memory(self) -> int:
        return sum(machine.memory for machine in self.machines)

    @property
    def ports(self) -> int:
        return sum(machine.ports for machine in self.machines)

    @property
    def short_by(self) -> int:
        """Bytes of memory the host lacks; 0 when the lab fits."""
        return max(0, self.memory - self.host.memory)


def arch_of(machine: Machine) -> Arch:
    """A machine's architecture on this host."""
    return ARCHITECTURES[machine.arch] if machine.arch else host_arch()


def plan(
    lab: LoadedLab,
    host: Host,
    *,
    machines: Sequence[str] = (),
    building: float = 0.0,
    efforts: Mapping[str, float] = MappingProxyType({}),
) -> Plan:
    """Plan a run of this lab; ``machines`` restricts it. ``building`` is how many seconds missing images
    take to build, ``efforts`` maps an image to how many times longer its machines take to boot.
    """
    chosen = [n for n in lab.lab.machines if not machines or n in machines]
    planned = tuple(
        _machine(name, wanted, efforts.get(wanted.image, 1.0))
        for name, wanted in lab.lab.machines.items()
        if name in chosen
    )
    guests = sum(TRAITS[machine.driver].guest for machine in planned)
    work = sum(machine.seconds for machine in planned) + EXERCISE_SECONDS * len(lab.exercises) * guests
    work += building
    side_by_side = max(1, min(host.cpus, lab.lab.at_once or host.cpus))
    return Plan(planned, len(lab.exercises), host, round(work / side_by_side + 2, 1))


def grading_seconds(
    submissions: int, machines: int, exercises: Sequence[LoadedExercise], side_by_side: int
) -> float:
    """Estimate how long grading so many submissions takes, each on clones of its own, of which so many
    compute ``side_by_side``."""
    each = CLONE_SECONDS + sum(map(_exercise_seconds, exercises))
    return round(GRADING_START + submissions * machines * each / max(1, side_by_side), 1)


def _exercise_seconds(exercise: LoadedExercise) -> float:
    """Return the processor seconds of one exercise on one machine, for programs that end at once. The lab's
    own programs are compiled once for the whole class, which is not counted."""
    spec = exercise.whole_spec
    theirs, steps = sum(map(spec.is_students, spec.build)), len(spec.run)
    if spec.poisoned:
        return theirs * (BUILD_SECONDS + POISON_SECONDS) + 2 * steps * STEP_SECONDS
    return theirs * BUILD_SECONDS + steps * STEP_SECONDS


def _machine(name: str, machine: Machine, effort: float = 1.0) -> MachinePlan:
    arch, traits = arch_of(machine), TRAITS[machine.driver]
    memory = max(machine.memory, arch.memory) + EMULATOR_OVERHEAD if traits.guest else machine.memory
    return MachinePlan(
        name=name,
        driver=machine.driver,
        boundary=boundary_of(machine).value,
        arch=arch.name,
        memory=memory if traits.limits_memory else 0,
        cpus=machine.cpus,
        ports=1 if traits.guest else 0,
        seconds=arch.boot_seconds * effort if traits.guest else 0.5,
    )


def jobs(
    lab: LoadedLab, run: str, *, machines: Sequence[str] = (), exercises: Sequence[str] = ()
) -> list[Job]:
    """The jobs of a run, fastest machines first; jobs of a group are adjacent."""
    names = [n for n in lab.lab.machines if not machines or n in machines]
    groups = {name: group_of(lab.lab, name, names) for name in names}
    seconds = {name: _machine(name, lab.lab.machines[name]).seconds for name in names}

    def rank(name: str) -> tuple[float, tuple[str, ...], float]:
        together = groups[name] or (name,)
        return max(seconds[peer] for peer in together), groups[name], seconds[name]

    names.sort(key=rank)
    wanted = tuple(e.name for e in lab.exercises if not exercises or e.name in exercises)
    return [Job(run, lab.lab.lab, name, "", wanted, groups[name]) for name in names]
