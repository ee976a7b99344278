"""isolab cluster drain HOSTS HOST: a host takes no new jobs."""

from __future__ import annotations

import contextlib

from orchestrator.cli.cluster.options import ClusterOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import Cluster
from orchestrator.cluster.supervisor.state_file import status
from orchestrator.deadline import poll
from orchestrator.errors import Exit, SpecError, TimedOut
from orchestrator.formatting import counted
from orchestrator.labfile.suggest import did_you_mean

TOLD_SECONDS = 15.0
"""The supervisor hears of its hosts every five seconds."""


def act(cluster: Cluster, options: ClusterOptions) -> Exit:
    """Drain a host, or let it take jobs again. Raises SpecError for a host that is not in the file, and
    LabError if it does not answer."""
    names = [host.name for host in cluster.hosts]
    host = cluster.host(options.host)
    if host is None:
        hint = did_you_mean(options.host, names) or f"hosts: {', '.join(names)}"
        what = f"no host {options.host!r} in {cluster.file}" if options.host else "drain which host?"
        raise SpecError(what, hint=hint)
    with hosts_up(cluster) as hosts:
        running, kept = hosts.agent(host).drain(hosts.deadline(), on=not options.undo)
        _await_told(hosts, host.name, drained=not options.undo)
    if options.form == JSON:
        say_json({"host": host.name, "drained": not options.undo, "running": running, "kept": kept})
        return Exit.PASSED
    if options.undo:
        say(f"{host.name} takes new jobs again")
        return Exit.PASSED
    say(f"{host.name} takes no new jobs; {counted(running, 'unit')} of runs still to end there")
    if kept:
        say(f"machines that run there until `isolab down`: {', '.join(kept)}")
    return Exit.PASSED


def _await_told(hosts: HostsUp, name: str, *, drained: bool) -> None:
    """Wait until the supervisor, by which runs are placed, knows of it."""

    def known() -> bool:
        up = status(hosts.state)
        host = up.hosts.get(name)
        facts = host.facts if host else None
        return not up.runs or facts is None or facts.drained == drained

    with contextlib.suppress(TimedOut):
        poll(known, hosts.deadline(TOLD_SECONDS), f"{name}: the supervisor to learn of it", interval=0.1)
