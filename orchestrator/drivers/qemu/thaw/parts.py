"""What freezes and thaws an emulator, compiled on first use: for this host, ``standstill.so`` and ``thaw``;
for a guest, the rehearsal and the library of the server that takes part in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch, host_arch
from orchestrator.compile import toolchain
from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import cache
from orchestrator.host.sparse import digest_of
from orchestrator.images.micro import INIT_SOURCES
from orchestrator.paths import GUEST_SOURCES, HOST_SOURCES

HOSTS = ("amd64",)
"""Architectures of hosts for which the parts are written (``x86_64.h`` has what another one needs)."""
KIND = "thaw-parts"
ADDRESS = 0x10000000
"""Where the loader lies: below everything that a position-independent program has (execve(2))."""

_SOURCES = HOST_SOURCES / "thaw"
_REHEARSAL = GUEST_SOURCES / "rehearsal"
# No C library, and nothing that a compiler adds for one: neither has a thread pointer when it begins.
_FREESTANDING = (
    "-std=gnu11", "-O2", "-g0", "-fno-ident", "-nostdinc", "-ffreestanding", "-fno-builtin",
    "-fno-stack-protector", "-fcf-protection=none", "-fno-sanitize=all", "-fvisibility=hidden",
)  # fmt: skip
# The loader's own registers must not disturb those that signal frames hold.
_LOADER = ("-mgeneral-regs-only", "-fno-pie")


@dataclass(frozen=True)
class HostParts:
    """``library`` is loaded into the emulator that is to be frozen; ``loader`` becomes it again."""

    library: Path
    loader: Path


@dataclass(frozen=True)
class GuestParts:
    """``rehearse`` is started in the guest, where ``server`` takes the place of the library of its first SSH
    server."""

    rehearse: Path
    server: Path


@remember
def sources() -> tuple[str, ...]:
    """Return the digests of everything that decides how the parts come out. Read once: each machine asks."""
    files = [*_SOURCES.iterdir(), *_REHEARSAL.iterdir(), *GUEST_SOURCES.glob("*.[ch]")]
    return tuple(digest_of(path) for path in sorted(files))


def for_host(deadline: Deadline) -> HostParts:
    """Return the parts that run on this host. Raises Unavailable, BuildError, TimedOut."""
    arch = host_arch()
    if arch.name not in HOSTS:
        raise Unavailable(
            f"machines cannot be thawed on hosts of architecture {arch.name}", hint="they are cloned instead"
        )

    def fill(folder: Path) -> dict[str, Any]:
        _link(
            arch,
            "standstill.c",
            ("-fPIC",),
            ("-shared", "--hash-style=gnu"),
            folder / "standstill.so",
            deadline,
        )
        _link(arch, "thaw.c", _LOADER, ("-static", f"--image-base={ADDRESS:#x}"), folder / "thaw", deadline)
        return {"arch": arch.name}

    key = cache.digest(sources(), _FREESTANDING, _LOADER, ADDRESS, toolchain.compiler_version())
    made = cache.make(KIND, f"host-{arch.name}-{key}", fill, deadline)
    return HostParts(made / "standstill.so", made / "thaw")


def _link(
    arch: Arch, source: str, flags: tuple[str, ...], link: tuple[str, ...], output: Path, deadline: Deadline
) -> None:
    """Compile and link one source without a C library. Raises BuildError."""
    headers = (word for path in toolchain.kernel_headers(arch) for word in ("-isystem", path))
    target = output.with_suffix(".o")
    compiler = [*toolchain.clang(arch), *_FREESTANDING, *toolchain.WARNINGS, *flags, *headers]
    failure = f"{source} does not compile for {arch.name}"
    toolchain.tool([*compiler, "-c", source, "-o", target], _SOURCES, failure, deadline)
    linker = [compiler[0], "ld.lld", "-s", "-m", arch.toolchain.emulation, *link, "-o", output, target]
    toolchain.tool(linker, _SOURCES, f"{output.name} does not link for {arch.name}", deadline)
    target.unlink()


def for_guest(arch: Arch, deadline: Deadline) -> GuestParts:
    """Return the parts that run in a guest. Raises Unavailable, BuildError, TimedOut."""
    folder = toolchain.in_cache(arch)
    if folder is None:
        raise Unavailable(
            f"the toolchain of {arch.name} is not in the cache", hint="`isolab images build` fetches it"
        )
    tools = folder

    def fill(place: Path) -> dict[str, Any]:
        files = [*(GUEST_SOURCES / name for name in INIT_SOURCES), _REHEARSAL / "rehearse.c"]
        flags = ("-Dmain=main_of_init",)
        toolchain.compile_program(arch, tools, files, flags, place / "rehearse", deadline)
        toolchain.compile_library(arch, tools, _REHEARSAL / "forking.c", place / "forking.so", deadline)
        return {"arch": arch.name}

    key = cache.digest(sources(), arch.toolchain, toolchain.STANDARD_FLAGS, toolchain.compiler_version())
    made = cache.make(KIND, f"guest-{arch.name}-{key}", fill, deadline)
    return GuestParts(made / "rehearse", made / "forking.so")
