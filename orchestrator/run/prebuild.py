"""Build the program that `try` runs, once for each architecture, before any machine starts."""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.arch import Arch, host_arch
from orchestrator.compile.cross import Built, built, inputs, origin_of
from orchestrator.compile.toolchain import CXX_SUFFIXES
from orchestrator.deadline import Cancellation
from orchestrator.debian.archive import Archives
from orchestrator.errors import BuildError, SpecError
from orchestrator.formatting import printable
from orchestrator.host.resources import this_host
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.models import Build, Step
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.machines import host_packages
from orchestrator.machines.provision import MAKE_SECONDS
from orchestrator.progress import Progress
from orchestrator.record import Record
from orchestrator.run.by_library import labelled
from orchestrator.run.unstarted import unstarted_record

NOT_BUILT = "does not compile"


@dataclass(frozen=True)
class Prebuilt:
    """A lab whose program is built, with each C library that it is to run with. ``lab`` has the machines that
    it was built for; None if there are none. ``made`` and ``failures`` are by architecture, followed by the
    library if there are two; ``absent`` are records of the other machines."""

    lab: LoadedLab | None
    made: Mapping[str, Built]
    failures: Mapping[str, BuildError]
    absent: tuple[Record, ...] = ()


def prebuilt(lab: LoadedLab, arguments: Sequence[str], program: str, progress: Progress) -> Prebuilt:
    """Build the lab's program for every architecture among its machines. ``program`` chooses one if the
    build makes several, by its path or its name.

    Raises SpecError if it has to be chosen, ImageError, Unavailable, TimedOut, Interrupted.
    """
    arches = {arch.name: arch for arch in map(arch_of, lab.lab.machines.values())}
    several = [_OfLibrary(one, *_build_all(one, arches, progress)) for one in lab.exercises]
    made = {labelled(lab, of.exercise, arch): one for of in several for arch, one in of.made.items()}
    failures = {labelled(lab, of.exercise, arch): one for of in several for arch, one in of.failures.items()}
    somewhere = {arch for of in several for arch in of.made}
    machines = {name: m for name, m in lab.lab.machines.items() if arch_of(m).name in somewhere}
    absent = tuple(
        _absent(lab, of.exercise, name)
        for of in several
        for name in lab.lab.machines
        if name not in machines or not of.made
    )
    if not machines:
        return Prebuilt(None, made, failures, absent)
    ready = []
    for of in several:
        if of.made:
            chosen = {arch: choose(result, program) for arch, result in of.made.items()}
            ready.append(_ready(of.exercise, of.made, chosen, arguments))
    some = lab.lab.model_copy(update={"machines": machines, "exercises": [one.name for one in ready]})
    return Prebuilt(replace(lab, lab=some, exercises=tuple(ready)), made, failures, absent)


@dataclass(frozen=True)
class _OfLibrary:
    """What was built with one C library: by architecture."""

    exercise: LoadedExercise
    made: Mapping[str, Built]
    failures: Mapping[str, BuildError]


def _build_all(
    exercise: LoadedExercise, arches: Mapping[str, Arch], progress: Progress
) -> tuple[dict[str, Built], dict[str, BuildError]]:
    cancellation = Cancellation()
    host_packages.ensure([host_packages.GPGV, host_packages.KEYS], progress, cancellation.deadline())
    archives = Archives(cancellation.deadline())
    (build,) = exercise.spec.build
    origin = origin_of(exercise)
    plus = any(path.suffix in CXX_SUFFIXES for path in inputs(origin, build))
    doing = "compiling" if exercise.spec.libc == "musl" else f"compiling with {exercise.spec.libc}"
    doing = f"{doing}, the first time with the library of C++" if plus else doing

    def one(arch: Arch) -> Built | BuildError:
        progress.doing(f"build {arch.name}", doing)
        try:
            return built(exercise, origin, build, arch, archives, cancellation.deadline(MAKE_SECONDS))
        except BuildError as problem:
            return problem
        finally:
            progress.done(f"build {arch.name}")

    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) + 1) as pool:
        try:
            results = dict(zip(arches, pool.map(one, arches.values()), strict=True))
        finally:
            cancellation.cancel()
    made = {name: result for name, result in results.items() if isinstance(result, Built)}
    return made, {name: result for name, result in results.items() if isinstance(result, BuildError)}


def choose(result: Built, program: str) -> str:
    """The path of the program to run. Raises SpecError."""
    paths, program = result.distinct(), posixpath.normpath(program) if program else ""
    wanted = [path for path in result.programs if program in {path, Path(path).name}]
    found = [path for path in wanted if path == program] or wanted if program else paths
    if len(found) == 1:
        return found[0]
    names = ", ".join(printable(path) for path in found or paths)
    if not found:
        raise SpecError(f"--program {program}: the build makes no such program", hint=f"it makes: {names}")
    raise SpecError(
        f"the build makes {len(found)} programs: {names}", hint=f"choose one: --program {printable(found[0])}"
    )


def _ready(
    exercise: LoadedExercise, made: Mapping[str, Built], chosen: Mapping[str, str], arguments: Sequence[str]
) -> LoadedExercise:
    """The exercise with its program built, and the folder's data, as one architecture's build left it."""
    arch, path = next(iter(chosen.items()))
    programs = {name: {path: result.programs[chosen[name]]} for name, result in made.items()}
    data = made[arch].data
    folder = _top(data) if data else exercise.folder
    (build,), (step,) = exercise.spec.build, exercise.spec.run
    spec = exercise.spec.model_copy(
        update={
            "build": [_named(build, path)],
            "run": [_running(step, path, arguments)],
            "files": list(data),
        }
    )
    return replace(exercise, folder=folder, spec=spec, built=programs)


def _top(data: Mapping[str, Path]) -> Path:
    """The folder that paths of data are relative to."""
    name, path = next(iter(data.items()))
    return path.parents[name.count("/")]


def _named(build: Build, path: str) -> Build:
    return build.model_copy(update={"output": path})


def _running(step: Step, path: str, arguments: Sequence[str]) -> Step:
    return step.model_copy(update={"run": shlex.join([f"./{path}", *arguments])})


def _absent(lab: LoadedLab, exercise: LoadedExercise, name: str) -> Record:
    """The record of a machine that has nothing to run."""
    job = Job("", lab.lab.lab, name, "", (exercise.name,))
    blank = unstarted_record(lab, job, this_host().name, host_arch())
    return replace(blank, exercise=exercise.name, reason=NOT_BUILT)
