"""Bring up a lab's machines on the hosts of a cluster, and leave them running there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from orchestrator.cluster.agent.labs import SENT
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import ClusterHost
from orchestrator.cluster.placement import Pins, Terms, Unplaceable
from orchestrator.cluster.prepare import prepare
from orchestrator.cluster.sessions import remote
from orchestrator.cluster.sessions.places import PlacedMachine, Places
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.progress import Progress

UP_SECONDS = 3600.0
"""A host without images makes them first."""


@dataclass(frozen=True)
class Raised:
    """What ``bring_up`` did: the machines that are up, and why others are not, by host or machine."""

    up: tuple[PlacedMachine, ...]
    failed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def bring_up(
    lab: LoadedLab,
    session: str,
    machines: tuple[str, ...],
    hosts: HostsUp,
    progress: Progress,
    *,
    cold: bool = False,
    pins: Pins = MappingProxyType({}),
) -> Raised:
    """Bring up these machines (empty: all); those that are up stay where they are. Raises LabError."""
    places = Places(hosts.state)
    there = {one.machine: one for one in places.machines() if one.session == session}
    jobs = plan_jobs(lab, "", machines=machines)
    terms = Terms(cold=cold, pins={**pins, **{name: one.host for name, one in there.items()}})
    placed = prepare(lab, jobs, terms, hosts, progress)
    wanted: defaultdict[str, list[PlacedMachine]] = defaultdict(list)
    for name, host in placed.chosen.items():
        wanted[host].append(PlacedMachine(session, name, host))
    bundle = placed.units[0].bundle if placed.units else ""

    def up(host: ClusterHost) -> None:
        mine = wanted[host.name]
        # The intent first: whatever happens, `down` finds what was made.
        places.note(mine)
        names = [word for one in mine for word in ("--only", one.machine)]
        words = ["up", f"{SENT}{bundle}", *names, "--name", session, *(["--cold"] if cold else [])]
        remote.carry_out(hosts, host, words, UP_SECONDS, progress)

    chosen = [host for host in hosts.cluster.hosts if host.name in wanted]
    done, failed = hosts.each(up, chosen)
    up_now = tuple(one for host in chosen if host.name in done for one in wanted[host.name])
    return Raised(up_now, {**failed, **_without_host(placed.problems)})


def _without_host(problems: tuple[Unplaceable, ...]) -> dict[str, str]:
    return {", ".join(one.machines): f"{one.message}\n  hint: {one.hint}" for one in problems}
