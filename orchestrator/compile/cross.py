"""Cross-compile programs of exercises, once per content: sources -> static binary per architecture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as remember
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile.toolchain import (
    STANDARD_FLAGS,
    WARNINGS,
    compile_program,
    prepare,
    write_cc,
)
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import BuildError, NotOnMirror, WorkError
from orchestrator.host import cache, process
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Build
from orchestrator.labfile.shared import ABOVE, copy_shared, shared_files
from orchestrator.labfile.writable_copy import writable_copy

COMMAND_SECONDS = 600.0


@dataclass(frozen=True)
class Origin:
    """Where a program's sources are: a name for messages, the folder, and the ``shared`` files of the
    folder above."""

    name: str
    folder: Path
    shared: tuple[str, ...] = ()


def build_exercise(
    exercise: LoadedExercise, arch: Arch, archives: Archives, deadline: Deadline
) -> Mapping[str, Path]:
    """The programs of an exercise by file name, cached or compiled now, except those compiled in the
    machine.

    Raises BuildError with the compiler's output (WorkError for a student's sources), ImageError,
    TimedOut, Interrupted.
    """
    ours = [build for build in exercise.spec.build if build.where == "controller"]
    origin = origin_of(exercise)
    return {build.program: _built(exercise, origin, build, arch, archives, deadline) for build in ours}


def origin_of(exercise: LoadedExercise) -> Origin:
    """Where an exercise's sources are. Raises BuildError if a shared file is missing."""
    try:
        shared = shared_files(exercise.folder, exercise.spec.shares)
        return Origin(exercise.name, exercise.folder.resolve(), shared)
    except FileNotFoundError as missing:
        raise BuildError(f"{exercise.name}: shared file {ABOVE}{missing} not found") from None
    except ValueError as problem:
        raise BuildError(f"{exercise.name}: {ABOVE}{problem}") from None


def _built(
    exercise: LoadedExercise, origin: Origin, build: Build, arch: Arch, archives: Archives, deadline: Deadline
) -> Path:
    foreign = exercise.spec.is_students(build)
    try:
        return _build(origin, build, arch, archives, deadline, foreign=foreign)
    except BuildError as problem:
        raise (WorkError(problem.message) if foreign else problem) from None


def build_program(source: Path, arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    """Compile one of isolab's own programs from one source, or take it from the cache. Raises as
    ``build_exercise``."""
    origin = Origin(source.name, source.parent)
    return _build(origin, Build(sources=[source.name]), arch, archives, deadline)


def _build(
    origin: Origin,
    wanted: Build,
    arch: Arch,
    archives: Archives,
    deadline: Deadline,
    *,
    foreign: bool = False,
) -> Path:
    """Build a program, or take it from the cache. ``foreign`` sources are untrusted and may include
    only the exercise's files."""
    folder = origin.folder
    content = [(os.path.relpath(p, folder), p.read_bytes()) for p in inputs(origin, wanted)]
    key = cache.digest(
        wanted.model_dump_json(),
        arch.toolchain,
        STANDARD_FLAGS,
        WARNINGS,
        _compiler(),
        content,
        *(["foreign"] if foreign else []),
    )
    name = f"{wanted.program}-{arch.name}-{key}"

    def compile_now(target: Path) -> dict[str, Any]:
        tools = _tools(arch, archives, deadline)
        if wanted.command:
            return {
                "arch": arch.name,
                "warnings": _run_command(origin, wanted, arch, tools, target, deadline),
            }
        sources = [folder / source for source in wanted.sources]
        within = (folder, *_above(origin)) if foreign else None
        words = compile_program(
            arch, tools, sources, tuple(wanted.flags), target / wanted.program, deadline, within
        )
        return {"arch": arch.name, "warnings": words}

    return cache.make("programs", name, compile_now, deadline) / wanted.program


def _tools(arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    """The toolchain; from the previous release if the mirror lacks packages of this one. Either will
    do, since programs are linked statically."""
    try:
        return prepare(arch, archives.suite(arch.suite), deadline)
    except NotOnMirror:
        if arch.former is None:
            raise
        return prepare(arch.former, archives.suite(arch.former.suite), deadline)


def inputs(origin: Origin, wanted: Build) -> list[Path]:
    """The input files that determine a program's cache key.

    A command may read anything in its folder. Sources may include headers at most one folder down,
    since the folder may be somebody's home. Shared files are inputs of everything compiled on the
    controller. Raises BuildError if a named file is missing.
    """
    folder = origin.folder
    above = [] if wanted.where == "guest" else _above(origin)
    named = [folder / source for source in wanted.sources if not source.startswith(ABOVE)]
    for path in [*named, *above]:
        if not path.is_file():
            raise BuildError(f"{origin.name}: file {os.path.relpath(path, folder)} not found")
    near = folder.rglob("*") if wanted.command else (*folder.glob("*.[ch]"), *folder.glob("*/*.h"))
    return sorted({*(p for p in near if p.is_file()), *named, *above})


def _above(origin: Origin) -> list[Path]:
    return [origin.folder.parent / name for name in origin.shared]


def _run_command(
    origin: Origin, wanted: Build, arch: Arch, tools: Path, target: Path, deadline: Deadline
) -> str:
    """Run the build command in a copy of the folder with its shared files beside it; returns the
    command's output."""
    assert wanted.command is not None
    copy = target / "source" / "exercise"
    writable_copy(origin.folder, copy, shutil.ignore_patterns(".git"))
    copy_shared(origin.folder, origin.shared, copy.parent)
    compiler = write_cc(arch, tools, target)
    env = {**os.environ, "CC": str(compiler), "CROSS_ARCH": arch.name}
    limit = deadline.within(COMMAND_SECONDS)
    done = process.run(["sh", "-c", wanted.command], deadline=limit, cwd=copy, env=env, check=False)
    words = (done.stdout + done.stderr).decode(errors="replace")
    if done.code != 0:
        raise BuildError(f"`{wanted.command}` failed for {arch.name}:\n{words.rstrip()}")
    made = [copy / wanted.output] if wanted.output else [p for p in sorted(copy.iterdir()) if _is_program(p)]
    if len(made) != 1 or not made[0].is_file():
        found = ", ".join(p.name for p in made) or "none"
        raise BuildError(
            f"`{wanted.command}` did not build exactly one program for {arch.name} (found: {found})"
        )
    shutil.copy(made[0], target / wanted.program)
    shutil.rmtree(copy.parent)
    return words


def _is_program(path: Path) -> bool:
    """An ELF executable: elf(5), e_type ET_EXEC or ET_DYN in either byte order."""
    head = path.open("rb").read(18) if path.is_file() else b""
    return head[:4] == b"\x7fELF" and head[16:18] in (b"\2\0", b"\0\2", b"\3\0", b"\0\3")


@remember
def _compiler() -> str:
    """The compiler's version: another one builds different programs from the same sources."""
    return version("ziglang")
