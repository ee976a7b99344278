"""The queue of a class: which verdicts are missing, and the batches of work that bring them, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.inputs import Inputs, inputs_of
from orchestrator.grading.work import Work
from orchestrator.labfile.addresses import group_of
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job

Same = tuple[str, str, Inputs]
"""Exercise, machine and inputs: with these equal, so is the verdict."""


@dataclass(frozen=True)
class Unit:
    """One verdict to be had: a submission's work on an exercise, on one machine of the lab."""

    work: Work
    machine: str
    inputs: Inputs

    @property
    def exercise(self) -> str:
        return self.work.exercise.name

    @property
    def same(self) -> Same:
        """What is equal for units that need to be graded only once, whoever handed them in."""
        return self.exercise, self.machine, self.inputs

    def on(self, identity: MachineIdentity) -> Unit:
        """Return the same verdict, to be had from a machine with this identity."""
        inputs = replace(self.inputs, template=identity.template, qemu=identity.qemu)
        return self if inputs == self.inputs else replace(self, inputs=inputs)


@dataclass(frozen=True)
class Batch:
    """Work of one submission that fresh machines grade together: one machine, or those that share networks
    and come up together. ``run`` is theirs alone."""

    run: str
    units: tuple[Unit, ...]
    machines: tuple[str, ...]

    def jobs(self, lab: str, groups: Mapping[str, tuple[str, ...]]) -> list[Job]:
        """Return a job for each machine. The student is told apart by the run alone."""
        found = []
        for machine in self.machines:
            names = tuple(unit.exercise for unit in self.units if unit.machine == machine)
            found.append(Job(self.run, lab, machine, self.run, names, groups[machine]))
        return found

    def works(self) -> tuple[Work, ...]:
        """Return the works that are graded, each once."""
        return tuple({unit.exercise: unit.work for unit in self.units}.values())


def units_of(
    works: Iterable[Work],
    identities: Mapping[str, MachineIdentity],
    digests: Mapping[str, tuple[str, str]],
) -> list[Unit]:
    """Return every verdict that these works are to get on these machines, in their order. ``digests`` has
    the public and the hidden digest of each exercise."""
    return [
        Unit(work, name, inputs_of(work.graded, digests[work.exercise.name], work.values, identity))
        for work in works
        for name, identity in identities.items()
    ]


def distinct(units: Iterable[Unit]) -> list[Unit]:
    """Return the units without those whose like comes earlier."""
    return [some[0] for some in alike(units).values()]


def alike(units: Iterable[Unit]) -> dict[Same, list[Unit]]:
    """Return all units by what is equal among them."""
    found: dict[Same, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.same, []).append(unit)
    return found


def groups_of(lab: LoadedLab, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return for each of these machines which wait for each other, itself included; () if it is alone."""
    return {name: group_of(lab.lab, name, names) for name in names}


def batches_of(
    units: Sequence[Unit],
    groups: Mapping[str, tuple[str, ...]],
    new_run: Callable[[], str],
    *,
    apart: bool = False,
) -> list[Batch]:
    """Return the batches of these units: for each submission and set of machines, a student's last attempt
    before anybody's earlier ones. ``apart``: each exercise on machines of its own, so that one that loses
    its machine takes no other with it.

    Machines of a group all come up, with the same exercises, although a verdict may be missing on one only.
    Every batch has a run of its own: ``new_run`` is asked again for one that a batch has already, as there
    are many in a second.
    """
    found: dict[tuple[object, ...], list[Unit]] = {}
    for unit in sorted(units, key=_earlier_attempts(units)):
        together = groups[unit.machine] or (unit.machine,)
        key = (unit.work.submission.source, unit.work.submission.attempt, together)
        found.setdefault((*key, unit.exercise) if apart else key, []).append(unit)
    machines = {key: groups[some[0].machine] or (some[0].machine,) for key, some in found.items()}
    runs = _different(new_run)
    return [Batch(next(runs), tuple(some), machines[key]) for key, some in found.items()]


def _different(new_run: Callable[[], str]) -> Iterator[str]:
    taken: set[str] = set()
    while True:
        run = new_run()
        if run not in taken:
            taken.add(run)
            yield run


def _earlier_attempts(units: Sequence[Unit]) -> Callable[[Unit], int]:
    last: dict[str, int] = {}
    for unit in units:
        who = _who(unit)
        last[who] = max(last.get(who, 0), unit.work.submission.attempt)
    return lambda unit: last[_who(unit)] - unit.work.submission.attempt


def _who(unit: Unit) -> str:
    return "\0".join(student.id for student in unit.work.students)
