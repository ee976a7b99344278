"""isolab cluster status HOSTS: the hosts, and what is on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from orchestrator import __version__
from orchestrator.cli.cluster.options import ClusterOptions, complain
from orchestrator.cli.output import JSON, mib, say, say_json, table
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import Cluster, ClusterHost, HostFacts
from orchestrator.cluster.reach.clock import ClockOffset, measure
from orchestrator.cluster.supervisor.state_file import status
from orchestrator.errors import Exit

CLOCK_SECONDS = 2.0
"""A clock that is off by more is named: certificates and deadlines depend on it."""


@dataclass(frozen=True)
class _HostRow:
    """What is known of one host. ``leases`` counts runs that have guests there, ``kept`` machines that
    stay."""

    facts: HostFacts
    clock: ClockOffset
    leases: int
    kept: int


def act(cluster: Cluster, options: ClusterOptions) -> Exit:
    """Show the hosts. Returns 3 if one does not answer, or nothing places jobs."""
    with hosts_up(cluster) as hosts:
        there, away = hosts.each(lambda host: _ask(hosts, host))
        service = status(hosts.state)
    if options.form == JSON:
        rows = [_data(name, one) for name, one in there.items()]
        say_json({"hosts": rows, "away": away, "supervisor": service.to_data()})
    else:
        names = [host.name for host in cluster.hosts if host.name in there]
        head = (
            "HOST",
            "STATE",
            "ARCH",
            "KVM",
            "CPUS",
            "LOAD",
            "MEMORY FREE",
            "GUESTS",
            "RUNS",
            "STAY",
            "CLOCK",
        )
        if names:
            say(table(head, [_cells(name, there[name]) for name in names]))
        say(f"\n{service.words}")
        for name, one in there.items():
            if one.facts.version != __version__:
                say(f"{name}: isolab {one.facts.version} there, {__version__} here: `isolab cluster up`")
            if abs(one.clock.seconds) > CLOCK_SECONDS + one.clock.uncertain:
                say(f"{name}: its clock is {one.clock.seconds:+.1f} s off: set it")
        complain(away)
    return Exit.INFRASTRUCTURE if away or not service.runs else Exit.PASSED


def _ask(hosts: HostsUp, host: ClusterHost) -> _HostRow:
    agent = hosts.agent(host)
    facts = agent.facts(hosts.deadline())
    clock = measure(lambda: agent.facts(hosts.deadline()).clock)
    leases = agent.leases(hosts.deadline())
    kept = sum(len(one.get("guests", ())) for one in leases if one.get("kept"))
    return _HostRow(facts, clock, sum(not one.get("kept") for one in leases), kept)


def _cells(name: str, one: _HostRow) -> list[str]:
    facts = one.facts
    state = "drained" if facts.drained else "up"
    kvm = "yes" if facts.kvm else "no"
    numbers = [str(facts.guests), str(one.leases), str(one.kept)]
    clock = f"{one.clock.seconds:+.2f} s" if one.clock.certain else "right"
    return [
        name,
        state,
        facts.arch,
        kvm,
        str(facts.cpus),
        f"{facts.load:.1f}",
        mib(facts.memory),
        *numbers,
        clock,
    ]


def _data(name: str, one: _HostRow) -> dict[str, Any]:
    clock = {"offset": one.clock.seconds, "uncertain": one.clock.uncertain}
    return {**asdict(one.facts), "name": name, "clock": clock, "leases": one.leases, "kept": one.kept}
