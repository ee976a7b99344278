"""Which hosts a class's machines are on: those its file names, or ``--cluster``, once it was brought up
so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.classes.hosts import chosen
from orchestrator.classes.model import LoadedClass
from orchestrator.cli.options import wanted_cluster
from orchestrator.errors import SpecError


def clustered(found: LoadedClass, option: str) -> LoadedClass:
    """Return the class with the hosts file that counts: its own; else ``option``, of ``--cluster``; else the
    one it was last brought up with; else the environment's. Raises SpecError for an option that contradicts
    the file."""
    if found.hosts is not None:
        if option and Path(option).resolve() != found.hosts.resolve():
            raise SpecError(
                f"--cluster {option}: {found.file} names another hosts file, {found.hosts}",
                hint="leave the option out, or `hosts` in the class file",
            )
        return found
    file = option or chosen.last(found) or wanted_cluster("")
    return replace(found, hosts=Path(file).resolve()) if file else found
