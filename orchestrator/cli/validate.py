"""validate: report every mistake of a lab, a class or a hosts file, or that there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.classes.recognise import is_class
from orchestrator.cli.labs import open_lab
from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.cluster.hostfile.recognise import is_hosts
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import bounded, counted, printable

_MOST_NAMED = 20


def validate(path: str, form: str) -> Exit:
    """Report every mistake, or that the lab, class or hosts file is valid."""
    check_format(form)
    try:
        summary, lines = _summary(path)
    except SpecError as wrong:
        if form != JSON:
            raise
        say_json({"valid": False, "problems": [asdict(p) for p in wrong.problems], "message": wrong.message})
        return Exit.BAD_INPUT
    if form == JSON:
        say_json({"valid": True, "problems": [], **summary})
    else:
        say("\n".join(lines))
    return Exit.PASSED


def _summary(path: str) -> tuple[Mapping[str, Any], list[str]]:
    """The summary of what is at ``path``, as data and as lines. Raises SpecError."""
    if is_class(Path(path)):
        return _class(Path(path))
    return _hosts(Path(path)) if is_hosts(Path(path)) else _lab(path)


def _hosts(path: Path) -> tuple[Mapping[str, Any], list[str]]:
    """The summary of a hosts file, likewise. Nothing is asked of the hosts. Raises SpecError."""
    from orchestrator.cluster.hostfile.load import load_hosts  # with modules that labs do not need

    found = load_hosts(path)
    names = [host.name for host in found.hosts]
    listed = f" ({', '.join(names)})" if 0 < len(names) <= _MOST_NAMED else ""
    scheduler = f"; scheduler at {found.scheduler}" if found.scheduler else ""
    line = f"{found.file}: valid: {counted(len(names), 'host')}{listed}{scheduler}"
    return {"hosts": names, "scheduler": found.scheduler}, [line]


def _lab(path: str) -> tuple[Mapping[str, Any], list[str]]:
    """The summary of a lab, as data and as lines. Raises SpecError."""
    lab = open_lab(path)
    machines = counted(len(lab.lab.machines), "machine")
    line = f"{lab.path}: valid: {machines}, {counted(len(lab.exercises), 'exercise')}"
    return {"machines": list(lab.lab.machines), "exercises": [e.name for e in lab.exercises]}, [line]


def _class(path: Path) -> tuple[Mapping[str, Any], list[str]]:
    """The summary of a class, likewise. Raises SpecError."""
    from orchestrator.classes.load import load_class  # with modules that labs do not need

    found = load_class(path, starting=True)
    members = [member for seat in found.seats for member in seat.members]
    machines, shared = (
        list(found.machines.lab.machines),
        list(found.shared.lab.machines if found.shared else ()),
    )
    keyless = [member.student.id for member in members if not member.keys]
    summary = {
        "class": found.name,
        "students": len(members),
        "seats": [seat.name for seat in found.seats],
        "machines": machines,
        "shared": shared,
        "labs": [one.name for one in found.labs],
        "without_key": keyless,
    }
    whose = f"{counted(len(members), 'student')} in {counted(len(found.seats), 'group')}"
    who = counted(len(members), "student") if found.spec.per == "student" else whose
    each = f"{counted(len(machines), 'machine')} each" + (f" and {len(shared)} for all" if shared else "")
    lines = [f"{found.file}: valid: {who}, {each}, {counted(len(found.labs), 'lab')}"]
    if keyless:
        named = ", ".join(bounded(printable(one), 40) for one in keyless[:_MOST_NAMED])
        more = f" and {len(keyless) - _MOST_NAMED} more" if len(keyless) > _MOST_NAMED else ""
        lines.append(f"without an SSH key on the roster: {named}{more}")
    return summary, lines
