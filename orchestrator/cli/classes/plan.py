"""isolab class plan: whether the class fits on this host."""

from __future__ import annotations

from typing import Any

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.plan import ClassPlan, MachineNeeds, making_words, plan_class
from orchestrator.cli.classes.acting import refuse_further
from orchestrator.cli.classes.closed import tell_closed
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, mib, say, say_json, table
from orchestrator.errors import Exit
from orchestrator.formatting import counted


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Print what the class needs and whether it is there. Starts nothing. Returns 3 if it does not fit."""
    refuse_further("plan", further)
    options.refuse("plan", "watch", "out", "prune")
    if found.hosts is not None:
        from orchestrator.cli.classes.plan_hosts import print_plan  # not for a class on this host

        return print_plan(found, options.seats(found), options.form)
    plan = plan_class(found, options.seats(found))
    if options.form == JSON:
        say_json(_data(found, plan))
    else:
        say(_text(found, plan))
        tell_closed(found)
    return Exit.INFRASTRUCTURE if plan.short_by or plan.disk_short_by else Exit.PASSED


def _text(found: LoadedClass, plan: ClassPlan) -> str:
    head = ("MACHINE", "ARCH", "IMAGE", "MEMORY", "AT MOST", "")
    rows = [_cells(one, f"{plan.seats} times") for one in plan.machines]
    rows += [_cells(one, "once") for one in plan.shared]
    lines = [
        table(head, rows),
        f"{found.name}: {counted(plan.seats, 'seat')}, {counted(plan.count, 'machine')}, "
        f"all ready about {plan.seconds:.0f} s after `class up`{making_words(plan.making)}",
        f"memory: {mib(plan.memory)} of {mib(plan.host.memory)} free"
        + (f": short by {mib(plan.short_by)}" if plan.short_by else ": fits")
        + f"; {mib(plan.memory_most)} if every guest uses all it may",
        f"disk: {mib(plan.disk)} of {mib(plan.disk_free)} free at the beginning"
        + (f": short by {mib(plan.disk_short_by)}" if plan.disk_short_by else ": fits")
        + f"; {mib(plan.disk_most)} when all home folders are full",
        f"ports: {found.spec.access.listen} for SSH"
        + (f", {found.spec.access.web} for the browser" if found.spec.access.web else "")
        + f", and {plan.count} of 127.0.0.1 that the system chooses",
    ]
    if any(one.measured is None for one in (*plan.machines, *plan.shared)):
        lines.append("memory of a kind of machine that was never up on this host is what it takes at most")
    return "\n".join(lines)


def _cells(one: MachineNeeds, times: str) -> tuple[str, ...]:
    seen = f"{mib(one.memory)}, measured" if one.measured else f"{mib(one.memory)}, nominal"
    return one.name, one.arch, one.image, seen, mib(one.most), times


def _data(found: LoadedClass, plan: ClassPlan) -> dict[str, Any]:
    return {
        "class": found.name,
        "seats": plan.seats,
        "machines": [_machine(one) for one in plan.machines],
        "shared": [_machine(one) for one in plan.shared],
        "memory": plan.memory,
        "memory_most": plan.memory_most,
        "memory_free": plan.host.memory,
        "short_by": plan.short_by,
        "disk": plan.disk,
        "disk_most": plan.disk_most,
        "disk_free": plan.disk_free,
        "disk_short_by": plan.disk_short_by,
        "seconds": plan.seconds,
        "making": dict(plan.making),
        "fits": not plan.short_by and not plan.disk_short_by,
    }


def _machine(one: MachineNeeds) -> dict[str, Any]:
    return {
        "machine": one.name,
        "arch": one.arch,
        "image": one.image,
        "memory": one.memory,
        "measured": one.measured is not None,
        "most": one.most,
        "seconds": one.seconds,
    }
