"""isolab cluster drain HOSTS HOST: a host takes no new jobs."""

from __future__ import annotations

from orchestrator.cli.cluster.options import ClusterOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.cluster.hosts_up import hosts_up
from orchestrator.cluster.model import Cluster
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted
from orchestrator.labfile.suggest import did_you_mean


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
    if options.form == JSON:
        say_json({"host": host.name, "drained": not options.undo, "running": running, "kept": kept})
        return Exit.PASSED
    if options.undo:
        say(f"{host.name} takes new jobs again")
        return Exit.PASSED
    say(f"{host.name} takes no new jobs; {counted(running, 'unit')} of runs still to end there")
    if kept:
        say(f"machines that stay there until `isolab down`: {', '.join(kept)}")
    return Exit.PASSED
