"""Which host of a cluster gets which seats of a class, and what is short there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.classes.hosts.answer import HostAnswer
from orchestrator.classes.hosts.journal import SeatHosts
from orchestrator.classes.hosts.look import cluster_of, look
from orchestrator.classes.hosts.spread import Room, Spread, spread
from orchestrator.classes.model import SHARED, LoadedClass, Seat
from orchestrator.classes.plan import ClassPlan, Measured, planned
from orchestrator.cluster.hosts_up import hosts_up
from orchestrator.cluster.model import Cluster
from orchestrator.host.resources import Host

DRAINED = "it is drained"


@dataclass(frozen=True)
class HostPlan:
    """What one host gets: ``seats`` by name, of which those of ``up`` are up there already; ``plan`` is what
    the others need there."""

    host: str
    seats: tuple[str, ...]
    up: frozenset[str]
    plan: ClassPlan


@dataclass(frozen=True)
class HostsPlan:
    """A class over the hosts of a cluster: ``away`` says why hosts do not answer, ``short`` why seats have no
    host, ``stuck`` which seats are on a host that does not answer."""

    hosts: tuple[HostPlan, ...]
    away: Mapping[str, str]
    short: Mapping[str, str]
    stuck: Mapping[str, str]

    @property
    def fits(self) -> bool:
        lacks = any(one.plan.short_by or one.plan.disk_short_by for one in self.hosts)
        return not (lacks or self.short or self.stuck)

    @property
    def seconds(self) -> float:
        """Until all are ready: hosts work side by side."""
        return self._last.seconds if self._last else 0.0

    @property
    def making(self) -> Mapping[str, float]:
        """What of it is spent on templates, on the host that is ready last."""
        return self._last.making if self._last else {}

    @property
    def _last(self) -> ClassPlan | None:
        plans = [one.plan for one in self.hosts if one.plan.count]
        return max(plans, key=lambda plan: plan.seconds, default=None)


def plan_on_hosts(found: LoadedClass, seats: Sequence[Seat]) -> HostsPlan:
    """Plan a class on the hosts of its cluster, each asked now. Raises SpecError for a hosts file that is
    wrong, Unavailable."""
    cluster = cluster_of(found)
    with hosts_up(cluster) as hosts:
        now = look(found, hosts, [host.name for host in cluster.hosts])
    where = SeatHosts(found).hosts()
    names = [*([SHARED] if found.shared else []), *(seat.name for seat in seats)]
    spread_out = spread(names, where, rooms(found, cluster, now.answers))
    return HostsPlan(
        tuple(
            _host_plan(found, host.name, now.answers[host.name], spread_out)
            for host in cluster.hosts
            if host.name in now.answers
        ),
        now.away,
        spread_out.short,
        {seat: host for seat, host in spread_out.hosts.items() if host not in now.answers},
    )


def rooms(found: LoadedClass, cluster: Cluster, answers: Mapping[str, HostAnswer]) -> dict[str, Room]:
    """Return what each host that answers has for the class, in the order of the hosts file. Pure."""
    return {
        host.name: Room(
            _free(answers[host.name], host.memory),
            _needs(found, answers[host.name]),
            DRAINED if answers[host.name].drained else "",
        )
        for host in cluster.hosts
        if host.name in answers
    }


def _free(answer: HostAnswer, most: int | None) -> int:
    """Return the memory that a host has left for the class; ``most`` is what the hosts file allows."""
    if most is None:
        return answer.free
    return max(0, min(answer.free, most - sum(one.memory for one in answer.machines)))


def _needs(found: LoadedClass, answer: HostAnswer) -> dict[str, int]:
    """Return the bytes that seats take on a host: what is up there is taken already."""
    plan = _planned(found, answer, 1, shared=True)
    own = {one.name: one.memory for one in plan.machines}
    alive = {(one.seat, one.machine) for one in answer.machines if one.alive}
    needs = {
        seat: sum(memory for name, memory in own.items() if (seat, name) not in alive)
        for seat in {seat for seat, _ in alive}
    }
    shared = sum(one.memory for one in plan.shared if (SHARED, one.name) not in alive)
    return {**needs, "": sum(own.values()), SHARED: shared}


def _host_plan(found: LoadedClass, host: str, answer: HostAnswer, where: Spread) -> HostPlan:
    mine = [seat for seat, name in where.hosts.items() if name == host]
    alive = {(one.seat, one.machine) for one in answer.machines if one.alive}
    machines = list(found.machines.lab.machines)
    up = frozenset(seat for seat in mine if all((seat, name) in alive for name in machines))
    number = len([seat for seat in mine if seat not in up and seat != SHARED])
    shared = SHARED in mine and not any(seat == SHARED for seat, _ in alive)
    return HostPlan(host, tuple(mine), up, _planned(found, answer, number, shared=shared))


def _planned(found: LoadedClass, answer: HostAnswer, seats: int, *, shared: bool) -> ClassPlan:
    measured = {kind: Measured(memory, seconds) for kind, (memory, seconds) in answer.measured.items()}
    host = Host("", answer.free, answer.cpus)
    return planned(found, seats, host, answer.disk, measured, shared=shared)
