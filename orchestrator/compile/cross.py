"""Programs of exercises, compiled once per content: sources -> static binary per architecture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
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
from orchestrator.labfile.writable_copy import writable_copy

COMMAND_SECONDS = 600.0


def build_exercise(
    exercise: LoadedExercise, arch: Arch, archives: Archives, deadline: Deadline
) -> Mapping[str, Path]:
    """The programs of an exercise by file name, from the cache or compiled now, but for those its
    machine compiles.

    Raises BuildError with the compiler's words (WorkError for what a student wrote), ImageError,
    TimedOut, Interrupted.
    """
    ours = [build for build in exercise.spec.build if build.where == "controller"]
    return {build.program: _built(exercise, build, arch, archives, deadline) for build in ours}


def _built(
    exercise: LoadedExercise, build: Build, arch: Arch, archives: Archives, deadline: Deadline
) -> Path:
    foreign = exercise.spec.is_students(build)
    try:
        return _build(exercise.folder, build, arch, archives, deadline, foreign=foreign)
    except BuildError as problem:
        raise (WorkError(problem.message) if foreign else problem) from None


def build_program(source: Path, arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    """A program of ours from one source, from the cache or compiled now. Raises as ``build_exercise``."""
    return _build(source.parent, Build(sources=[source.name]), arch, archives, deadline)


def _build(
    folder: Path,
    wanted: Build,
    arch: Arch,
    archives: Archives,
    deadline: Deadline,
    *,
    foreign: bool = False,
) -> Path:
    """``foreign`` sources are not trusted: they include nothing from outside the folder."""
    content = [(os.path.relpath(p, folder), p.read_bytes()) for p in inputs(folder, wanted)]
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
                "warnings": _run_command(folder, wanted, arch, tools, target, deadline),
            }
        sources = [folder / source for source in wanted.sources]
        within = folder if foreign else None
        words = compile_program(
            arch, tools, sources, tuple(wanted.flags), target / wanted.program, deadline, within
        )
        return {"arch": arch.name, "warnings": words}

    return cache.make("programs", name, compile_now, deadline) / wanted.program


def _tools(arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    """The toolchain, of the release before where the mirror lacks packages of this one: the C library
    is linked into programs, and both do."""
    try:
        return prepare(arch, archives.suite(arch.suite), deadline)
    except NotOnMirror:
        if arch.former is None:
            raise
        return prepare(arch.former, archives.suite(arch.former.suite), deadline)


def inputs(folder: Path, wanted: Build) -> list[Path]:
    """The files a program is made of, as far as its key is concerned.

    A command may read anything in its folder. Sources may include any header near them; nearer
    than two levels, for the folder may be somebody's home. Headers of the folder above are named.
    """
    if wanted.command:
        return [p for p in sorted(folder.rglob("*")) if p.is_file()]
    headers = {*folder.glob("*.[ch]"), *folder.glob("*/*.h"), *(folder / s for s in wanted.sources)}
    headers |= {folder.parent / name for name in wanted.headers}
    return sorted(p for p in headers if p.is_file())


def _run_command(
    folder: Path, wanted: Build, arch: Arch, tools: Path, target: Path, deadline: Deadline
) -> str:
    """Make the program by the command, in a copy of its folder; gives what the command said."""
    assert wanted.command is not None
    copy = target / "source"
    writable_copy(folder, copy, shutil.ignore_patterns(".git"))
    compiler = write_cc(arch, tools, target)
    env = {**os.environ, "CC": str(compiler), "CROSS_ARCH": arch.name}
    limit = deadline.within(COMMAND_SECONDS)
    done = process.run(["sh", "-c", wanted.command], deadline=limit, cwd=copy, env=env, check=False)
    words = (done.stdout + done.stderr).decode(errors="replace")
    if done.code != 0:
        raise BuildError(f"`{wanted.command}` fails for {arch.name}:\n{words.rstrip()}")
    made = [copy / wanted.output] if wanted.output else [p for p in sorted(copy.iterdir()) if _is_program(p)]
    if len(made) != 1 or not made[0].is_file():
        found = ", ".join(p.name for p in made) or "none"
        raise BuildError(f"`{wanted.command}` made no single program for {arch.name} (found: {found})")
    shutil.copy(made[0], target / wanted.program)
    shutil.rmtree(copy)
    return words


def _is_program(path: Path) -> bool:
    """An ELF executable: elf(5), e_type ET_EXEC or ET_DYN in either byte order."""
    head = path.open("rb").read(18) if path.is_file() else b""
    return head[:4] == b"\x7fELF" and head[16:18] in (b"\2\0", b"\0\2", b"\3\0", b"\0\3")


@remember
def _compiler() -> str:
    """The compiler's version: another one makes other programs of the same sources."""
    return version("ziglang")
