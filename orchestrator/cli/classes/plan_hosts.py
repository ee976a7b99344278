"""isolab class plan, for a class over several hosts: which host gets whom, and what is short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.classes.model import SHARED, LoadedClass, Seat
from orchestrator.classes.plan import making_words
from orchestrator.classes.plan_hosts import HostPlan, HostsPlan, plan_on_hosts
from orchestrator.cli.classes.closed import tell_closed
from orchestrator.cli.output import JSON, mib, say, say_json, table
from orchestrator.errors import Exit
from orchestrator.formatting import counted
from orchestrator.progress import write_error

MOST_NAMED = 6
_HEAD = ("HOST", "SEATS", "UP", "MEMORY", "DISK", "READY", "WHO")


def print_plan(found: LoadedClass, seats: Sequence[Seat], form: str) -> Exit:
    """Print which host gets whom. Starts nothing. Returns 3 if somebody has no host, or one lacks room."""
    plan = plan_on_hosts(found, seats)
    if form == JSON:
        say_json(_data(found, plan))
    else:
        say("\n".join([table(_HEAD, [_cells(one) for one in plan.hosts]), *_lines(found, plan)]))
        for name, why in plan.away.items():
            write_error(f"{why if why.startswith(f'{name}: ') else f'{name}: {why}'}\n")
        tell_closed(found)
    return Exit.PASSED if plan.fits else Exit.INFRASTRUCTURE


def _cells(one: HostPlan) -> tuple[str, ...]:
    plan, students = one.plan, [seat for seat in one.seats if seat != SHARED]
    memory = f"{mib(plan.memory)} of {mib(plan.host.memory)} free"
    disk = f"{mib(plan.disk)} of {mib(plan.disk_free)} free"
    ready = f"{plan.seconds:.0f} s" if plan.count else ""
    return (
        one.host,
        str(len(students)),
        str(len([seat for seat in students if seat in one.up])),
        memory + (f": short by {mib(plan.short_by)}" if plan.short_by else ""),
        disk + (f": short by {mib(plan.disk_short_by)}" if plan.disk_short_by else ""),
        ready,
        _named(one.seats),
    )


def _lines(found: LoadedClass, plan: HostsPlan) -> Iterator[str]:
    seats = sum(len(one.seats) for one in plan.hosts)
    ready = f"all ready about {plan.seconds:.0f} s after `class up`{making_words(plan.making)}"
    yield f"{found.name}: {counted(seats, 'seat')} on {counted(len(plan.hosts), 'host')}, {ready}"
    yield f"ports of this computer: {found.spec.access.listen} for SSH" + (
        f", {found.spec.access.web} for the browser" if found.spec.access.web else ""
    )
    if plan.short:
        yield f"without a host: {_named(list(plan.short))}: {next(iter(plan.short.values()))}"
    for host in dict.fromkeys(plan.stuck.values()):
        mine = [seat for seat, one in plan.stuck.items() if one == host]
        yield f"on {host}, which does not answer, with their home folders: {_named(mine)}"
    needs = [one for host in plan.hosts for one in (*host.plan.machines, *host.plan.shared)]
    if any(one.measured is None for one in needs):
        yield "memory of a kind of machine that was never up on a host is what it takes there at most"


def _named(seats: Sequence[str]) -> str:
    more = f", and {len(seats) - MOST_NAMED} more" if len(seats) > MOST_NAMED else ""
    return ", ".join(seats[:MOST_NAMED]) + more


def _data(found: LoadedClass, plan: HostsPlan) -> dict[str, Any]:
    return {
        "class": found.name,
        "hosts": [
            {
                "host": one.host,
                "seats": list(one.seats),
                "up": sorted(one.up),
                "memory": one.plan.memory,
                "memory_free": one.plan.host.memory,
                "short_by": one.plan.short_by,
                "disk": one.plan.disk,
                "disk_free": one.plan.disk_free,
                "disk_short_by": one.plan.disk_short_by,
                "seconds": one.plan.seconds,
                "making": dict(one.plan.making),
            }
            for one in plan.hosts
        ],
        "away": dict(plan.away),
        "without_a_host": dict(plan.short),
        "on_a_host_that_is_away": dict(plan.stuck),
        "seconds": plan.seconds,
        "making": dict(plan.making),
        "fits": plan.fits,
    }
