"""plan --cluster --submissions: how long a class's submissions take to grade on the hosts of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchestrator.cli.cluster.options import open_hosts
from orchestrator.cli.cluster.plan import Facts, parse_pins, require_pins
from orchestrator.cli.labs import open_lab
from orchestrator.cli.output import JSON, check_format, say, say_json, table
from orchestrator.cli.plan_grading import Grading, grading_of, say_time
from orchestrator.cluster.grading_offers import capacity
from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.cluster.model import Cluster
from orchestrator.cluster.offers import Offer, Offers, offers
from orchestrator.cluster.placement import Pins, Terms, place
from orchestrator.errors import Exit
from orchestrator.formatting import printable
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.machine_section import host_name
from orchestrator.labfile.plan import jobs


def show_grading_on_cluster(
    path: str,
    only: tuple[str, ...],
    submissions: str,
    form: str,
    hosts: str,
    ask: Callable[[Cluster], Facts],
    pins: Pins,
) -> Exit:
    """Show how long grading these submissions takes on the cluster of the file ``hosts``, and how many
    machines are up there meanwhile. ``ask`` returns what the hosts say; ``pins`` bind machines to a host or a
    tag. Raises SpecError."""
    check_format(form)
    cluster = load_hosts(Path(hosts))
    there = offers(cluster, *ask(cluster))
    lab = open_lab(path, there.native(host_name()))
    what = grading_of(lab, only, submissions)
    require_pins(pins, cluster, what.machines)
    able, short = _able(lab, what, there, pins)
    room = capacity(lab, what.machines, able)
    seconds = room.seconds(what.submissions * len(what.machines), what.exercises) if able else 0.0
    if form == JSON:
        data = what.data(sum(room.machines.values()), seconds)
        say_json({**data, "hosts": dict(room.machines), "absent": dict(there.absent), "problems": short})
        return Exit.PASSED
    say(what.words)
    rows = [(one.name, str(room.machines.get(one.name, 0)), str(one.cpus), "") for one in there.hosts]
    rows += [(name, "-", "-", printable(why)) for name, why in there.absent.items()]
    say("\n" + table(("HOST", "MACHINES AT ONCE", "CPUS", "AWAY"), rows))
    say("")
    for words in short:
        say(f"short: {printable(words)}")
    if able:
        say_time(what, seconds)
    return Exit.PASSED


def _able(lab: LoadedLab, what: Grading, there: Offers, pins: Pins) -> tuple[list[Offer], list[str]]:
    """Return the hosts that can grade on any of the machines, and which machines no host can have."""
    native = there.native(host_name())
    found = place(lab, jobs(lab, "plan", machines=what.machines), there, native, Terms(pins=pins))
    names = {name for unit in found.units for name in unit.places}
    return [one for one in there.hosts if one.name in names], [one.message for one in found.problems]


def show_grading(
    hosts: str, path: str, only: tuple[str, ...], submissions: str, form: str, pins: tuple[str, ...]
) -> Exit:
    """Show it, asking the hosts of a cluster that is up."""
    from orchestrator.cluster.hosts_up import hosts_up

    open_hosts(hosts)

    def ask(cluster: Cluster) -> Facts:
        with hosts_up(cluster) as there:
            return there.facts()

    return show_grading_on_cluster(path, only, submissions, form, hosts, ask, parse_pins(pins))
