"""Programs of exercises, compiled once per content: sources -> static binary per architecture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache as remember
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.images import Archives, cache
from orchestrator.load import LoadedExercise
from orchestrator.spec import Build
from orchestrator.toolchain import STANDARD_FLAGS, compile_program, prepare


def build_exercise(
    exercise: LoadedExercise, arch: Arch, archives: Archives, deadline: Deadline
) -> Mapping[str, Path]:
    """The programs of an exercise by file name, from the cache or compiled now.

    Raises BuildError with the compiler's words, ImageError, TimedOut, Interrupted.
    """
    return {b.program: _build(exercise.folder, b, arch, archives, deadline) for b in exercise.spec.build}


def _build(folder: Path, wanted: Build, arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    # Every source and header of the folder is part of the key: an #include may name any of them.
    content = [(p.name, p.read_bytes()) for p in sorted(folder.rglob("*.[ch]"))]
    key = cache.digest(wanted.model_dump_json(), arch.toolchain, STANDARD_FLAGS, _compiler(), content)
    name = f"{wanted.program}-{arch.name}-{key}"

    def compile_now(target: Path) -> dict[str, Any]:
        tools = prepare(arch, archives.suite(arch.suite), deadline)
        sources = [folder / source for source in wanted.sources]
        words = compile_program(arch, tools, sources, tuple(wanted.flags), target / wanted.program, deadline)
        return {"arch": arch.name, "warnings": words}

    return cache.make("programs", name, compile_now, deadline) / wanted.program


@remember
def _compiler() -> str:
    """The compiler's version: another one makes other programs of the same sources."""
    return version("ziglang")
