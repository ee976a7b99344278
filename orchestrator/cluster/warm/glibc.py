"""Have glibc where a lab's programs are linked with it: what hosts lack comes from this machine, which
downloads it first if need be, so that a host needs no Internet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set

from orchestrator.arch import ARCHITECTURES, Arch, host_arch
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import ClusterHost
from orchestrator.cluster.offers import Offers
from orchestrator.cluster.placement import Placement
from orchestrator.cluster.warm import caches
from orchestrator.compile import glibc, toolchain
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import Interrupted, LabError
from orchestrator.formatting import size_words
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.progress import Progress

SECONDS = 900.0
"""For downloads, and for each host."""

Lacking = Mapping[str, Set[str]]
"""By host, the architectures whose glibc it lacks."""


def lacking_glibc(lab: LoadedLab, placed: Placement, there: Offers) -> Lacking:
    """Return which hosts of these units lack glibc of which architectures, as far as programs are linked with
    it there. Pure."""
    linked = {one.name for one in lab.exercises if _is_linked_on_hosts(one)}
    have = {host.name: host.glibc for host in there.hosts}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for unit in placed.units:
        arches = {placed.machines[job.machine].plan.arch for job in unit.jobs if linked & {*job.exercises}}
        for name in unit.places:
            if lacks := arches - have.get(name, frozenset()):
                found[name] |= lacks
    return dict(found)


def _is_linked_on_hosts(exercise: LoadedExercise) -> bool:
    by_us = any(build.where == "controller" for build in exercise.spec.build)
    return exercise.spec.libc == "glibc" and by_us and exercise.built is None


def bring_glibc(lacking: Lacking, hosts: HostsUp, progress: Progress) -> None:
    """Send glibc to the hosts that lack it. What cannot be had or sent is told, with what the hosts do then:
    they try to download it. Raises TimedOut, Interrupted."""
    wanted = sorted(set().union(*lacking.values()))
    deadline = hosts.deadline(SECONDS)
    folders = {name: _folders(ARCHITECTURES[name], lacking, deadline, progress) for name in wanted}

    def send(host: ClusterHost) -> None:
        own = [folder for name in sorted(lacking[host.name]) for folder in folders[name]]
        connection, there = hosts.connection(host), hosts.installed(host)
        caches.send(connection, there, own, hosts.deadline(SECONDS), progress.tell)

    there = [host for host in hosts.cluster.hosts if host.name in lacking]
    for name, why in hosts.each(send, there)[1].items():
        progress.tell(f"{name} did not get glibc, and tries to download it: {why}")


def _folders(arch: Arch, lacking: Lacking, deadline: Deadline, progress: Progress) -> list[caches.Folder]:
    """Return the folders of an architecture's toolchain with glibc, downloaded now if they are not here; none
    if that fails."""
    linked = arch.linked_with("glibc")
    if toolchain.in_cache(linked) is None:
        size = size_words(glibc.download_bytes(linked))
        progress.doing("glibc", f"downloading that of {arch.name} for the hosts, about {size}")
        try:
            toolchain.prepare(linked, Archives(deadline).suite(linked.suite), deadline)
        except Interrupted:
            raise
        except LabError as problem:
            names = ", ".join(name for name, arches in lacking.items() if arch.name in arches)
            progress.tell(
                f"glibc of {arch.name} is neither here nor on {names}, which try to download it themselves: "
                f"{problem.message}\n  hint: where this computer gets to the Internet, `isolab try PROGRAM.c "
                f"--on {_on(arch)} --libc glibc` downloads it, and the next run sends it to the hosts"
            )
        finally:
            progress.done("glibc")
    return caches.toolchain_folders(linked)


def _on(arch: Arch) -> str:
    return "vm" if arch.name == host_arch().name else arch.name
