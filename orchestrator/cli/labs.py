"""schema, plan: describe a lab without starting anything."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator import images
from orchestrator.cli.choose import chosen as chosen_of
from orchestrator.cli.output import JSON, check_format, mib, say, say_json, table
from orchestrator.cli.readiness import Readiness, libraries_to_get, readiness
from orchestrator.cluster.agent.labs import SENT
from orchestrator.cluster.agent.paths import agent_place
from orchestrator.cluster.bundle import is_bundle, load_bundle
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted
from orchestrator.host.resources import this_host
from orchestrator.labfile.builtin import find_lab
from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.image_recipe import KINDS
from orchestrator.labfile.load import LoadedLab, load_lab
from orchestrator.labfile.plan import Plan, arch_of, plan
from orchestrator.labfile.schema import exercise_schema, hidden_schema, image_schema, schema
from orchestrator.paths import EXERCISES


def open_lab(path: str, host: str | None = None) -> LoadedLab:
    """Load a lab by path or built-in name, or the one that a controller sent to this host (a bundle's
    folder). ``host`` is the architecture it is for, by default this host's. Raises SpecError with every
    mistake."""
    if path.startswith(SENT):
        return load_bundle(agent_place().bundles / path.removeprefix(SENT))
    if is_bundle(Path(path)):
        return load_bundle(Path(path))
    known = recipes()
    return load_lab(find_lab(path), EXERCISES, images=least_memory(known), host=host, contents=known)


def print_schema(kind: str) -> Exit:
    """Print the JSON Schema of a kind of file, for editors."""
    from orchestrator.classes.spec import class_schema
    from orchestrator.cluster.hostfile.spec import hosts_schema
    from orchestrator.gradebook.policy import policy_schema  # with modules that nothing else here needs

    kinds = {
        "lab": schema,
        "exercise": exercise_schema,
        "hidden": hidden_schema,
        "class": class_schema,
        "policy": policy_schema,
        "image": image_schema,
        "hosts": hosts_schema,
    }
    if kind not in kinds:
        raise SpecError(f"unknown schema {kind!r}", hint=f"schemas: {', '.join(kinds)}")
    say_json(kinds[kind]())
    return Exit.PASSED


def show_plan(path: str, only: tuple[str, ...], form: str, submissions: str = "") -> Exit:
    """Show what a run would need, and whether it fits this host; for ``submissions``, a number or where they
    are, how long grading them takes."""
    check_format(form)
    lab = open_lab(path)
    if submissions:
        from orchestrator.cli.plan_grading import show_grading

        return show_grading(lab, only, submissions, form)
    only = chosen_of(only, list(lab.lab.machines), "machine")
    known = {**recipes(), **lab.recipes}
    chosen = {n: m for n, m in lab.lab.machines.items() if not only or n in only}
    wanted = dict.fromkeys((m.image, arch_of(m)) for m in chosen.values())
    absent = [(name, arch) for name, arch in wanted if not images.find(known[name], arch)]
    older = images.substitutions([(known[name], arch) for name, arch in wanted])
    building = sum(images.expectation(known[name], arch)[1] for name, arch in absent)
    efforts = {name: KINDS[recipe.kind].effort for name, recipe in known.items()}
    planned = plan(lab, this_host(), machines=only, building=building, efforts=efforts)
    ready = readiness(lab, only)
    if form == JSON:
        say_json(_plan_data(planned, ready) | {"notes": [*older, *libraries_to_get(lab, chosen)]})
        return Exit.PASSED
    rows = [
        (m.name, m.driver, m.boundary, m.arch, mib(m.memory) if m.memory else "-", str(m.cpus), str(m.ports))
        for m in planned.machines
    ]
    say(table(("MACHINE", "DRIVER", "BOUNDARY", "ARCH", "MEMORY", "CPUS", "PORTS"), rows))
    host = planned.host
    jobs = f"{counted(len(rows), 'job')} of {counted(planned.exercises, 'exercise')}"
    say(f"\n{jobs}; at most {mib(planned.memory)} of memory, {planned.ports} ports on 127.0.0.1")
    say(
        f"expected time: about {planned.seconds:.0f} s"
        + (f" ({counted(len(absent), 'image')} to build)" if absent else "")
    )
    free = f"this host has {mib(host.memory)} free and {host.cpus} processors"
    fits = "fits, but not every machine can run" if ready.blocked else "fits"
    say(f"{fits}: {free}" if not planned.short_by else f"short by {mib(planned.short_by)}: {free}")
    for words in (*ready.sentences(), *older, *libraries_to_get(lab, chosen)):
        say(words)
    return Exit.PASSED


def _plan_data(planned: Plan, ready: Readiness) -> dict[str, Any]:
    sums = {"memory": planned.memory, "ports": planned.ports, "short_by": planned.short_by}
    packages, line = ready.packages.lacking, ready.packages.line
    return {
        **asdict(planned),
        **sums,
        "missing": packages,
        "obstacles": ready.obstacles,
        "install": line,
    }
