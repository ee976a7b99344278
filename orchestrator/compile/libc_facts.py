"""What the C library of a program adds to the facts of the machine that it runs on."""

from __future__ import annotations

from typing import Any

from orchestrator.arch import Arch, GlibcToolchain
from orchestrator.compile.toolchain import libc_version


def platform_of_library(arch: Arch) -> dict[str, Any]:
    """Return the C library as records name it, such as ``musl 1.2.5``, and what it decides of the formats of
    numbers; nothing before the toolchain's first use."""
    version, theirs = libc_version(arch), arch.toolchain
    if not version:
        return {}
    found: dict[str, Any] = {"libc": f"{theirs.library} {version}"}
    if isinstance(theirs, GlibcToolchain) and theirs.long_double:
        found["long_double"] = theirs.long_double
    return found
