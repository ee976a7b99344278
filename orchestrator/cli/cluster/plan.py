"""plan --cluster: which host would run which machine, what each host offers, and what is short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.cli.choose import chosen as chosen_of
from orchestrator.cli.cluster.options import open_hosts
from orchestrator.cli.labs import open_lab
from orchestrator.cli.output import JSON, check_format, mib, say, say_json, table
from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.cluster.model import Cluster, HostFacts
from orchestrator.cluster.offers import Offer, Offers, offers, unknown_pins
from orchestrator.cluster.placement import Pins, Placement, Terms, place, summary
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import printable
from orchestrator.labfile.machine_section import host_name
from orchestrator.labfile.plan import jobs
from orchestrator.labfile.suggest import did_you_mean, quote

Facts = tuple[Mapping[str, HostFacts], Mapping[str, str]]
"""What the agents said, by host, and why other hosts take no units."""
_ALL_MOST = 4
"""Names of further hosts in a cell; then only how many."""


def show_on_cluster(
    path: str, only: tuple[str, ...], form: str, hosts: str, ask: Callable[[Cluster], Facts], pins: Pins
) -> Exit:
    """Show where a run of this lab would be placed on the cluster of the file ``hosts``. ``ask`` returns what
    the hosts say; ``pins`` bind machines to a host or a tag. Raises SpecError, Unavailable."""
    check_format(form)
    cluster = load_hosts(Path(hosts))
    facts, absent = ask(cluster)
    there = offers(cluster, facts, absent)
    there.require_one(cluster.file)
    native = there.native(host_name())
    lab = open_lab(path, native)
    only = chosen_of(only, list(lab.lab.machines), "machine")
    require_pins(pins, cluster, only or tuple(lab.lab.machines))
    found = place(lab, jobs(lab, "plan", machines=only), there, native, Terms(pins=pins))
    if form == JSON:
        say_json(_data(found, there))
        return Exit.PASSED
    by_name = {host.name: host for host in there.hosts}
    if found.units:
        rows = [_machine_row(found, name, by_name) for name in lab.lab.machines if name in found.chosen]
        say(table(("MACHINE", "DRIVER", "ARCH", "MEMORY", "HOST", "RUNS", "ELSE ON"), rows))
    gap = "\n" if found.units else ""
    say(gap + table(("HOST", "ARCH", "KVM", "MEMORY", "CPUS", "TAGS", "MACHINES"), _host_rows(found, there)))
    say(f"\n{summary(found)}")
    for words in (*found.notes, *(f"short: {one.message}" for one in found.problems)):
        say(printable(words))
    if found.problems:
        say(f"  hint: {found.problems[0].hint}")
    return Exit.PASSED


def parse_pins(written: tuple[str, ...]) -> dict[str, str]:
    """Return ``MACHINE=HOST`` or ``MACHINE=TAG`` by machine. Raises SpecError."""
    found: dict[str, str] = {}
    for word in written:
        machine, equals, where = word.partition("=")
        if not (machine and equals and where):
            raise SpecError(f"{quote(word)} is no pin", hint="write MACHINE=HOST or MACHINE=TAG: vm=lab1")
        if found.setdefault(machine, where) != where:
            raise SpecError(f"machine {quote(machine)} is bound twice", hint="bind it to one host or tag")
    return found


def require_pins(pins: Pins, cluster: Cluster, machines: tuple[str, ...]) -> None:
    """Raise SpecError for a pin of a machine that is not chosen, or to a host or tag that is not there."""
    for machine in pins:
        if machine not in machines:
            hint = did_you_mean(machine, machines) or f"machines: {', '.join(machines)}"
            raise SpecError(f"no machine {quote(machine)} to bind to {quote(pins[machine])}", hint=hint)
    for where in unknown_pins(list(pins.values()), cluster):
        known = sorted({name for host in cluster.hosts for name in (host.name, *host.tags)})
        hint = did_you_mean(where, known) or f"hosts and tags: {', '.join(known)}"
        raise SpecError(f"no host or tag {quote(where)} in {cluster.file}", hint=hint)


def _machine_row(found: Placement, name: str, hosts: Mapping[str, Offer]) -> tuple[str, ...]:
    need, host = found.machines[name], found.chosen[name]
    memory = mib(need.plan.memory) if need.plan.memory else "-"
    others = next(unit.places[1:] for unit in found.units if name in (job.machine for job in unit.jobs))
    elsewhere = ", ".join(others) if len(others) <= _ALL_MOST else f"{len(others)} hosts"
    return name, need.plan.driver, need.plan.arch, memory, host, need.way_on(hosts[host]), elsewhere or "-"


def _host_rows(found: Placement, there: Offers) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for host in there.hosts:
        names = [name for name, where in found.chosen.items() if where == host.name]
        used = sum(unit.memory for unit in found.units if unit.places[0] == host.name)
        memory = f"{mib(used)} of {mib(host.memory)}"
        tags = ", ".join(sorted(host.tags)) or "-"
        kvm = "yes" if host.kvm else "no"
        rows.append((host.name, host.arch, kvm, memory, str(host.cpus), tags, str(len(names))))
    for name, why in there.absent.items():
        rows.append((name, "-", "-", "-", "-", "-", printable(why)))
    return rows


def _data(found: Placement, there: Offers) -> dict[str, Any]:
    hosts = {host.name: host for host in there.hosts}
    return {
        "machines": [
            {
                "name": job.machine,
                "driver": found.machines[job.machine].plan.driver,
                "arch": found.machines[job.machine].plan.arch,
                "memory": found.machines[job.machine].plan.memory,
                "together": [one.machine for one in unit.jobs],
                "hosts": list(unit.places),
                "runs": found.machines[job.machine].way_on(hosts[unit.places[0]]),
            }
            for unit in found.units
            for job in unit.jobs
        ],
        "hosts": [
            {
                "name": host.name,
                "arch": host.arch,
                "kvm": host.kvm,
                "memory": host.memory,
                "cpus": host.cpus,
                "tags": sorted(host.tags),
                "used": sum(unit.memory for unit in found.units if unit.places[0] == host.name),
            }
            for host in there.hosts
        ],
        "absent": dict(there.absent),
        "problems": [
            {"machines": list(one.machines), "reasons": dict(one.reasons)} for one in found.problems
        ],
        "notes": list(found.notes),
    }


def show(hosts: str, path: str, only: tuple[str, ...], form: str, pins: tuple[str, ...]) -> Exit:
    """Show where a run would be placed, asking the hosts of a cluster that is up."""
    from orchestrator.cluster.hosts_up import hosts_up

    open_hosts(hosts)

    def ask(cluster: Cluster) -> Facts:
        with hosts_up(cluster) as there:
            return there.facts()

    return show_on_cluster(path, only, form, hosts, ask, parse_pins(pins))
