"""isolab cluster down HOSTS: end what places and carries jobs; running machines are listed."""

from __future__ import annotations

from orchestrator.cli.cluster.options import ClusterOptions, complain
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import Cluster, ClusterHost
from orchestrator.cluster.reach.connection import remove_sockets
from orchestrator.cluster.scheduling.run_journal import running
from orchestrator.cluster.sessions.places import Places
from orchestrator.cluster.supervisor import background
from orchestrator.errors import Exit, Unavailable


def act(cluster: Cluster, options: ClusterOptions) -> Exit:
    """End the supervisor with its scheduler and workers, then the agents and the connections. Returns 3 if a
    host did not answer. Raises Unavailable while runs go on."""
    with hosts_up(cluster) as hosts:
        if runs := running(hosts.state):
            raise Unavailable(
                f"runs go on, on this cluster: {', '.join(runs)}",
                hint="wait for them, or end them with Ctrl-C",
            )
        ended = background.stop(hosts.state)
        _, failed = hosts.each(lambda host: _stop(hosts, host))
        remove_sockets(hosts.state)
        kept = Places(hosts.state).machines()
    if options.form == JSON:
        stay = [{"name": one.name, "host": one.host} for one in kept]
        say_json({"ended": ended, "stay": stay, "failed": failed})
    else:
        say("the cluster is down" if ended else "the cluster was not up")
        for one in kept:
            way = f"isolab down {one.name} --cluster {cluster.file}"
            say(f"{one.name} stays on {one.host}: `{way}` takes it down")
        complain(failed)
    return Exit.INFRASTRUCTURE if failed else Exit.PASSED


def _stop(hosts: HostsUp, host: ClusterHost) -> None:
    """Have a host's agent end as soon as nothing runs there. One of another version ends by itself a minute
    after the last connection."""
    try:
        hosts.agent(host).stop(hosts.deadline())
    except Unavailable:
        hosts.connection(host)  # raises if it is not reached
    finally:
        hosts.disconnect(host)
