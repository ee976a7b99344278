"""An ad-hoc lab that runs one program on every boundary and architecture."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.errors import SpecError
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.models import Build, Exercise, Lab, Machine, Step
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.paths import state_dir

EXERCISE = "./program"
MACHINES = "machines"
"""The name of the lab, and so of the session, of machines brought up without a lab file."""
_KEPT = 2**20
"""Bytes kept of each output: a program that prints more is stopped for it, so that nothing is compared
that nobody can see."""


def machines_for(on: str, option: str = "--on") -> dict[str, Machine]:
    """Return the machines named by ``--on`` (or ``option``): "all", or names separated by commas. Raises
    SpecError.

    ``user-s390x`` is that architecture under user-mode emulation; not part of "all": it would need one
    more emulator per architecture and show the same instruction sets again.
    """
    known = {name: Machine(driver=name) for name in ("process", "sandbox", "container")}
    known["vm"] = Machine(driver="qemu")
    foreign = [name for name in ARCHITECTURES if name != host_arch().name]
    known |= {name: Machine(driver="qemu", arch=name) for name in foreign}
    if on == "all":
        return known
    known |= {f"user-{name}": Machine(driver="process", arch=name) for name in foreign}
    wanted = [name.strip() for name in on.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, list(known)) or f"machines: {', '.join(known)}"
            raise SpecError(f"{option}: unknown machine {name!r}", hint=hint)
    if not wanted:
        raise SpecError(f"{option} names no machine", hint=f"machines: {', '.join(known)}")
    return {name: known[name] for name in wanted}


def lab_of_machines(names: Sequence[str]) -> LoadedLab:
    """Return a lab of these machines, each named for what it is, with nothing to run. Raises SpecError.

    Its path lies in the state folder and is the same for all such labs: their machines share one session.
    """
    machines = machines_for(",".join(names), "--machine")
    lab = Lab.model_construct(
        lab=MACHINES, title="Machines without a lab file", machines=machines, exercises=[]
    )
    return LoadedLab(lab=lab, path=state_dir() / MACHINES, exercises=())


def lab_of(
    path: Path, arguments: Sequence[str], *, on: str, stdin: Path | None, command: str, timeout: float
) -> LoadedLab:
    """Return a lab with one exercise: this C file, or this folder built by ``command``. Raises SpecError."""
    if not path.exists():
        raise SpecError(f"{path}: no such file", hint="name a C file, or a folder with a Makefile")
    if stdin is not None and not stdin.is_file():
        raise SpecError(f"--stdin {stdin}: no such file")
    if path.is_dir():
        folder, build = path.resolve(), Build(command=command or "make")
    elif command:
        folder, build = path.resolve().parent, Build(command=command)
    else:
        folder, build = path.resolve().parent, Build(sources=[path.name])
    step = Step(
        run=shlex.join([f"./{build.program}", *arguments]), stdin=str(stdin.resolve()) if stdin else None
    )
    exercise = Exercise(title=path.name, build=[build], run=[step], timeout=timeout, output_limit=_KEPT)
    lab = Lab(lab="try", machines=machines_for(on), exercises=[EXERCISE])
    return LoadedLab(
        lab=lab, path=path, exercises=(LoadedExercise(EXERCISE, folder, exercise, exact_timeout=True),)
    )
