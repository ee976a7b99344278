"""Say which host gets what of a lab, and see that each has the lab."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from orchestrator.arch import host_arch
from orchestrator.cluster.bundle import Bundle, pack
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import ClusterHost, Unit
from orchestrator.cluster.offers import Offers, offers
from orchestrator.cluster.paths import BUNDLES
from orchestrator.cluster.placement import Placement, Terms, place
from orchestrator.cluster.scheduling.settings import UNPLACEABLE_SECONDS
from orchestrator.cluster.supervisor.background import wanted as wanted_up
from orchestrator.cluster.supervisor.state_file import State, status
from orchestrator.cluster.warm.glibc import bring_glibc, lacking_glibc
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job
from orchestrator.progress import Progress

SEND_SECONDS = 600.0
LOOK_SECONDS = 0.2


def prepare(
    lab: LoadedLab, jobs: Sequence[Job], terms: Terms, hosts: HostsUp, progress: Progress
) -> Placement:
    """Place these jobs of a lab on the hosts that are there, and send the lab to them. ``terms`` are without
    the bundle. What degrades is told. Raises LabError."""
    there = _awaited(hosts, progress)
    if not wanted_up(hosts.state):
        there.require_one(hosts.cluster.file)  # else units that find no host say so, each for itself
    for name, why in there.absent.items():
        progress.tell(f"{name} takes no part: {why}")
    bundle = pack(lab, hosts.state / BUNDLES)
    placed = place(lab, jobs, there, there.native(host_arch().name), replace(terms, bundle=bundle.digest))
    for words in placed.notes:
        progress.tell(words)
    wanted = {name for unit in placed.units for name in unit.places}
    having = {one.name for one in there.hosts if bundle.digest in one.bundles}
    if lacking := lacking_glibc(lab, placed, there):
        bring_glibc(lacking, hosts, progress)
    failed = _send(bundle, wanted - having, hosts)
    for name, why in failed.items():
        progress.tell(f"{name} did not get the lab: {why}")
    return replace(placed, units=tuple(_without(unit, failed) for unit in placed.units))


def _awaited(hosts: HostsUp, progress: Progress) -> Offers:
    """Return what the hosts offer, once it is known of all of them; where there is none at all, wait for one
    that is away as long as a unit would. Raises Interrupted."""
    deadline, announced = hosts.deadline(UNPLACEABLE_SECONDS), False
    while True:
        there = there_now(hosts)
        states = {one.state for one in status(hosts.state).hosts.values()}
        coming = State.STARTING in states or (not there.hosts and State.AWAY in states)
        if not coming or not deadline.remaining():
            return there
        if not announced:
            progress.tell("waiting for the cluster's hosts")
            announced = True
        deadline.cancellation.check()
        deadline.cancellation.wait(LOOK_SECONDS)


def there_now(hosts: HostsUp) -> Offers:
    """Return what the hosts offer, and why some offer nothing: as the supervisor heard it from them last, a
    few seconds ago; without one, as they say now."""
    up = status(hosts.state)
    facts = {name: one.facts for name, one in up.hosts.items() if one.facts is not None}
    silent = {
        name: one.trouble or "it is still being connected"
        for name, one in up.hosts.items()
        if one.state is not State.UP
    }
    if not up.runs:
        facts, silent = hosts.facts()
    return offers(hosts.cluster, facts, silent)


def _send(bundle: Bundle, wanted: Collection[str], hosts: HostsUp) -> Mapping[str, str]:
    """Send a lab to the hosts that lack it; returns those that did not get it, and why."""

    def send(host: ClusterHost) -> None:
        agent = hosts.agent(host)
        if agent.missing([bundle.digest], hosts.deadline()):
            agent.put(bundle.digest, bundle.archive, hosts.deadline(SEND_SECONDS))

    return hosts.each(send, [host for host in hosts.cluster.hosts if host.name in wanted])[1]


def _without(unit: Unit, failed: Mapping[str, str]) -> Unit:
    """A unit whose places are those that have the lab, unless none has."""
    left = tuple(name for name in unit.places if name not in failed)
    return replace(unit, places=left or unit.places)
