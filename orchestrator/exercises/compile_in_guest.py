"""Compile programs in the machine itself, as the student, with the compiler it has.

For exercises with ``build: {in: guest}``: sources are pushed like any file, and the compiler runs
under the runner, with a deadline and bounded output, as everything else a machine does.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.compile.cross import inputs, origin_of
from orchestrator.compile.toolchain import WARNINGS
from orchestrator.deadline import Cancellation
from orchestrator.errors import BuildError, WorkError
from orchestrator.exercises.crowded import require_room
from orchestrator.exercises.execute import PATH, ExerciseContext, folder_name
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Boundary, Build, User
from orchestrator.transport.runner import ProcessResult, run_program

COMPILE_SECONDS = 120.0
"""Time limit on a native machine; scaled by the measured slowness like exercises' own deadlines."""

WORDS_LIMIT = 64 * 2**10
FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", *WARNINGS)
_LOOK = (
    "for c in cc gcc clang tcc; do command -v $c && break; done || exit 1; "
    "printf '#include <features.h>\\nglibc __GLIBC__ __GLIBC_MINOR__\\n' | $c -E -P - 2>/dev/null; exit 0"
)
"""Script for sh: prints the compiler's path, and on the last line the version of glibc if there is one."""
_GLIBC = re.compile(r"^glibc (\d{1,3}) (\d{1,3})\s*\Z", re.MULTILINE)


@dataclass(frozen=True)
class Built:
    """What became of an exercise's builds in its machine. ``reason`` says why it cannot build them, "" when
    all are built or there are none; ``library`` is the C library of its compiler, "" if that is not known."""

    reason: str = ""
    library: str = ""


def in_guest(exercise: LoadedExercise) -> list[Build]:
    """Return the builds of an exercise that run in its machine."""
    return [build for build in exercise.spec.build if build.where == "guest"]


def sources(exercise: LoadedExercise) -> list[str]:
    """Return the files a machine needs for its builds, by their names in the exercise's folder."""
    found = (inputs(origin_of(exercise), build) for build in in_guest(exercise))
    top = exercise.folder.resolve()
    return list(dict.fromkeys(str(p.relative_to(top)) for paths in found for p in paths))


def build_in_guest(exercise: LoadedExercise, place: ExerciseContext, cancellation: Cancellation) -> Built:
    """Run the builds meant for this machine.

    Raises BuildError with the compiler's output, TransportError, TimedOut, Interrupted.
    """
    builds = in_guest(exercise)
    if not builds:
        return Built()
    if place.subject.boundary is Boundary.USER_EMULATION:
        return Built("needs a compiler for its architecture; the one here compiles for the host")
    compiler, library = _compiler(exercise, place, cancellation)
    if not compiler:
        return Built("needs a compiler (cc, gcc, clang or tcc), and this machine has none")
    for build in builds:
        result = _run(render_command(build, compiler), exercise, place, compiler, cancellation)
        _require(build, result, WorkError if exercise.spec.is_students(build) else BuildError)
    return Built(library=library)


def render_command(build: Build, compiler: str) -> list[str]:
    """Return the command that builds one program, in the exercise's folder. Pure."""
    if build.command:
        return ["/bin/sh", "-c", build.command]
    return [compiler, *FLAGS, *build.flags, "-o", build.program, *build.sources]


def _compiler(
    exercise: LoadedExercise, place: ExerciseContext, cancellation: Cancellation
) -> tuple[str, str]:
    """Return the path of the machine's compiler, and its C library in words; "" for what there is not."""
    result = _run(["/bin/sh", "-c", _LOOK], exercise, place, "", cancellation)
    if result.exit_code != 0:
        return "", ""
    version = _GLIBC.search(result.stdout)
    return result.stdout.partition("\n")[0].strip(), f"glibc {version[1]}.{version[2]}" if version else ""


def _run(
    argv: Sequence[str],
    exercise: LoadedExercise,
    place: ExerciseContext,
    compiler: str,
    cancellation: Cancellation,
) -> ProcessResult:
    folder = f"{place.site.work}/{folder_name(exercise.name)}"
    return run_program(
        place.transport,
        place.site,
        argv,
        user=User.STUDENT,
        folder=folder,
        timeout=COMPILE_SECONDS * place.subject.facts.slowness,
        output_limit=WORDS_LIMIT,
        env={"PATH": PATH, "TMPDIR": folder, **({"CC": compiler} if compiler else {})},
        deadline=cancellation.deadline(),
    )


def _require(build: Build, result: ProcessResult, failure: type[BuildError]) -> None:
    require_room(result)
    what = f"`{build.command}`" if build.command else shlex.join(build.sources)
    words = (result.stdout + result.stderr).rstrip()
    if result.killed_for:
        raise failure(f"{what} does not compile in the machine: stopped ({result.killed_for})\n{words}")
    if result.exit_code != 0:
        reason = result.start_error or (f"killed by {result.signal}" if result.signal else words)
        raise failure(f"{what} does not compile in the machine:\n{reason}")
