"""How much grading a cluster's hosts do at a time, and how long a class takes there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.cluster.offers import Offer
from orchestrator.grading.queue import groups_of
from orchestrator.grading.worker import at_once
from orchestrator.host.resources import Host
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.plan import grading_seconds


@dataclass(frozen=True)
class Capacity:
    """By host: how many ``machines`` are up at a time, how many ``units`` (machines, or all of a network),
    and how many machines ``compute`` at a time."""

    machines: Mapping[str, int]
    units: Mapping[str, int]
    compute: Mapping[str, int]

    def seconds(self, machines: int, exercises: Sequence[LoadedExercise]) -> float:
        """Estimate how long it takes to grade these exercises on so many machines, one after the other."""
        return grading_seconds(machines, 1, exercises, sum(self.compute.values()))


def capacity(lab: LoadedLab, machines: Sequence[str], hosts: Sequence[Offer]) -> Capacity:
    """Return what these hosts do at a time. Pure."""
    most = {one.name: at_once(lab, machines, Host(one.name, one.memory, one.cpus)) for one in hosts}
    largest = max((len(group) for group in groups_of(lab, machines).values()), default=1) or 1
    return Capacity(
        machines=most,
        units={name: max(1, number // largest) for name, number in most.items()},
        compute={one.name: min(one.cpus, most[one.name]) for one in hosts},
    )
