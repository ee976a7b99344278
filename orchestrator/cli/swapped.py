"""Arguments in each other's place: what was meant, before something else is complained about."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.formatting import printable
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.load import LAB_FILE
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.run.adhoc import machines_for
from orchestrator.sessions.lookup import session_machines

SOURCES = (".c", ".cc", ".cpp", ".cxx")


def require_program(path: str, arguments: Sequence[str]) -> None:
    """Raise SpecError if the ``path`` given to ``isolab try`` is a lab, a machine or nearly a file's name.

    Also if the program is among its arguments.
    """
    place, shown = Path(path), printable(path)
    if (
        (place / LAB_FILE).is_file()
        or place.name == LAB_FILE
        or (path in builtin_labs() and not place.exists())
    ):
        raise SpecError(f"{shown} is a lab, not a program", hint=f"isolab run {_quoted(path)}")
    if place.exists() or place.is_symlink():  # one that leads nowhere is told as such
        return
    source = next((one for one in arguments if one.endswith(SOURCES) and Path(one).is_file()), "")
    if source:
        others = [one for one in arguments if one != source]
        meant = _quoted("isolab", "try", source, path, *others)
        raise SpecError(f"{shown}: no such file", hint=f"the program comes first: {meant}")
    if path in machines_for("all"):
        raise SpecError(f"{shown}: no such file", hint=f"to choose machines: isolab try FILE --on {path}")
    near = [str(one) for one in place.parent.glob("*") if one.suffix in SOURCES or one.is_dir()]
    if guess := did_you_mean(path, near):
        raise SpecError(f"{shown}: no such file", hint=guess)


def require_machine_first(verb: str, name: str, others: Sequence[str]) -> None:
    """Raise SpecError if what should be a machine's name is none, and one of the other words is."""
    names = {word for one in session_machines() for word in (one.name, one.machine)}
    machine = next((one for one in others if one in names), "")
    if machine and name not in names:
        meant = _quoted("isolab", verb, machine, name, *(one for one in others if one != machine))
        raise SpecError(f"no running machine {printable(name)!r}", hint=f"the machine comes first: {meant}")


def _quoted(*words: str) -> str:
    return printable(shlex.join(words))
