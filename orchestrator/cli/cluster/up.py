"""isolab cluster up HOSTS: the same isolab on every host, and what places and carries jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from orchestrator import images
from orchestrator.arch import ARCHITECTURES
from orchestrator.cli.cluster.options import ClusterOptions, complain
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.cli.signals import stop_signals
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.install.send import install
from orchestrator.cluster.model import Cluster, ClusterHost
from orchestrator.cluster.supervisor import background
from orchestrator.cluster.supervisor.state_file import ClusterStatus, State
from orchestrator.cluster.warm.hosts import ReachedHost, warm_hosts
from orchestrator.cluster.warm.templates import WarmHost
from orchestrator.errors import Exit, Interrupted
from orchestrator.formatting import counted
from orchestrator.labfile.image_catalog import recipes
from orchestrator.progress import Progress, shown

INSTALL_SECONDS, SETTLE_SECONDS, WARM_SECONDS = 900.0, 120.0, 1800.0


def act(cluster: Cluster, options: ClusterOptions) -> Exit:
    """Bring the cluster up. Returns 3 if a host does not take part."""
    begun = time.monotonic()
    try:
        with (
            stop_signals(),
            shown(quiet=options.form == JSON and sys.stderr.isatty()) as progress,
            hosts_up(cluster) as hosts,
        ):
            failed = _install(hosts, progress)
            background.start(cluster.file, hosts.state)
            found = _settled(hosts, progress)
            if not options.cold:
                _warm(hosts, found, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: `isolab cluster up` goes on") from None
    away = {name: one.trouble for name, one in found.hosts.items() if one.state is not State.UP}
    away = {**away, **failed}
    spent = time.monotonic() - begun
    if options.form == JSON:
        up = [name for name in found.hosts if name not in away]
        say_json({"up": up, "away": away, "supervisor": found.to_data(), "seconds": round(spent, 1)})
    else:
        _say(cluster, found, away, spent)
    return Exit.INFRASTRUCTURE if away or not found.scheduler else Exit.PASSED


def _install(hosts: HostsUp, progress: Progress) -> Mapping[str, str]:
    """See that every host has this isolab; returns why some have not."""

    def one(host: ClusterHost) -> None:
        progress.doing(host.name, "connecting")
        connection = hosts.connection(host)
        progress.doing(host.name, "looking for isolab")

        def say(words: str) -> None:
            progress.tell(words)
            progress.doing(host.name, "receiving isolab, and trying it")

        there = install(connection, hosts.deadline(INSTALL_SECONDS), say)
        hosts.known.put(host.name, there)
        progress.done(host.name)

    return hosts.each(one)[1]


def _settled(hosts: HostsUp, progress: Progress) -> ClusterStatus:
    """Wait until each host's agent and worker answer, or it is known why not."""

    def tell(found: ClusterStatus) -> None:
        for name, host in found.hosts.items():
            if host.state is State.STARTING:
                progress.doing(name, "starting its agent and its worker")
            else:
                progress.done(name)

    return background.wait_until_settled(hosts.state, hosts.deadline(SETTLE_SECONDS), tell)


def _warm(hosts: HostsUp, found: ClusterStatus, progress: Progress) -> None:
    """Have on all hosts what machines of the images that are here start from. What goes wrong with one host
    is told: it makes for itself what it lacks."""
    known = recipes()
    wanted = [
        (recipe, arch)
        for recipe in known.values()
        for arch in ARCHITECTURES.values()
        if images.find(recipe, arch) is not None
    ]
    if not wanted:
        progress.tell(
            "this computer has no image, so none goes to the hosts: each builds what a lab needs, and needs "
            "the Internet\n  hint: `isolab images build micro` here, then `isolab cluster up` again, sends it"
        )

    def reached(host: ClusterHost) -> ReachedHost:
        facts = hosts.agent(host).facts(hosts.deadline())
        warm = WarmHost(host.name, hosts.agent(host), facts)
        return ReachedHost(warm, hosts.connection(host), hosts.installed(host))

    up = [host for host in hosts.cluster.hosts if found.hosts[host.name].state is State.UP]
    there, failed = hosts.each(reached, up)
    deadline = hosts.deadline(WARM_SECONDS)
    warm_hosts(list(there.values()), wanted, deadline, progress.tell, progress.doing)
    for name in there:
        progress.done(name)
    for name, why in failed.items():
        progress.tell(f"{name} was not made warm: {why}")


def _say(cluster: Cluster, found: ClusterStatus, away: Mapping[str, str], spent: float) -> None:
    up = [host.name for host in cluster.hosts if host.name not in away]
    if up:
        say(f"{counted(len(up), 'host')} up in {spent:.1f} s: {', '.join(up)}")
        say(f"isolab run separation --cluster {cluster.file}")
    if found.dashboard:
        say(f"Dask's pages: {found.dashboard}")
    complain(away)
