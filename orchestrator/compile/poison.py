"""Programs whose memory is hostile: what they never wrote is not zero.

The compiler initialises local variables with a pattern, and an archive in front of the C library's own fills
memory of the heap with another when it is allocated and again when it is freed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile.toolchain import clang, compiler_version, system_headers, tool
from orchestrator.deadline import Deadline
from orchestrator.host import cache
from orchestrator.host.sparse import digest_of
from orchestrator.paths import GUEST_SOURCES

VERSION = 1
FLAGS = (
    "-ftrivial-auto-var-init=pattern",
    *(f"-fno-builtin-{name}" for name in ("malloc", "realloc", "free", "aligned_alloc")),
)
"""A compiler that knows malloc() may take any value for one that was never written, and zero is one."""
LINKER_FLAGS = ("--wrap=aligned_alloc",)
ARCHIVE = "libpoison.a"
_SOURCE = GUEST_SOURCES / "poison.c"
_PARTS = ("malloc", "calloc", "realloc", "free", "aligned_alloc")
# Built-in knowledge of malloc() would turn our calloc() into a call of itself.
_COMPILER_FLAGS = ("-std=gnu11", "-O2", "-g0", "-fno-builtin", "-fno-ident", "-Wall", "-Wextra")


def library(arch: Arch, toolchain: Path, deadline: Deadline) -> Path:
    """The archive for an architecture, compiled on first use. Raises BuildError, TimedOut."""

    def fill(folder: Path) -> dict[str, Any]:
        include = (word for path in system_headers(arch, toolchain) for word in ("-isystem", path))
        compiler = [*clang(arch), *_COMPILER_FLAGS, "-nostdinc", *include]
        failure = f"{_SOURCE.name} does not compile for {arch.name}"
        names = [f"{part}.o" for part in _PARTS]
        for part, name in zip(_PARTS, names, strict=True):
            tool([*compiler, f"-DPART_{part}", "-c", _SOURCE, "-o", name], folder, failure, deadline)
        tool([compiler[0], "ar", "qcs", ARCHIVE, *names], folder, failure, deadline)
        for name in names:
            (folder / name).unlink()
        return {"arch": arch.name}

    key = cache.digest(VERSION, digest_of(_SOURCE), arch.toolchain, _COMPILER_FLAGS, compiler_version())
    return cache.make("toolchain", f"{arch.name}-poison-{key}", fill, deadline) / ARCHIVE


def key() -> tuple[object, ...]:
    """What of poisoning decides how a program comes out."""
    return "poisoned", VERSION, FLAGS, LINKER_FLAGS, digest_of(_SOURCE)
