"""The C++ library of an architecture: libc++, libc++abi and libunwind, from their sources in the compiler's
wheel, as static archives.

Debian's C++ libraries are built against another C library than ours. Compiling these takes some twenty
seconds of a processor for each architecture, once, when the first C++ program is built for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile.toolchain import (
    KIND,
    clang,
    compiler_version,
    cxx_configuration,
    cxx_headers,
    system_headers,
    tool,
    zig_folder,
)
from orchestrator.deadline import Deadline
from orchestrator.errors import BuildError
from orchestrator.host import cache

VERSION = 2
_APART = re.compile(
    r"/(condition_variable_destructor|error_category|memory|mutex_destructor|cxa_noexception|cxa_demangle"
    r"|stdlib_new_delete|private_typeinfo|iostream|locale)\.cpp$"
)
"""Sources that define again what another one does, or that programs should not have to take along."""
_HEAVY = re.compile(r"/(ryu|filesystem)/|/(charconv|chrono)\.cpp$")
_LEFT_OUT = frozenset({"int128_builtins.cpp"})
"""libgcc has these functions."""
_COMMON = ("-O1", "-g0", "-w", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-ffunction-sections")
_CXX = (
    "-std=c++23",
    "-DNDEBUG",
    "-DLIBC_NAMESPACE=__llvm_libc_common_utils",
    "-D_LIBCPP_BUILDING_LIBRARY",
    "-D_LIBCXXABI_BUILDING_LIBRARY",
    "-DLIBCXX_BUILDING_LIBCXXABI",
    "-D_LIBCPP_HAS_NO_PRAGMA_SYSTEM_HEADER",
    "-D_LIBCPP_ENABLE_CXX17_REMOVED_UNEXPECTED_FUNCTIONS",
    *(f"-D_LIB{name}_DISABLE_VISIBILITY_ANNOTATIONS" for name in ("CPP", "CXXABI")),
)
_UNWIND = ("-D_LIBUNWIND_HIDE_SYMBOLS", "-DNDEBUG", "-fno-exceptions", "-funwind-tables")
_UNWIND_SOURCES = (
    "libunwind.cpp",
    "Unwind-EHABI.cpp",
    "UnwindLevel1.c",
    "UnwindLevel1-gcc-ext.c",
    "gcc_personality_v0.c",
    "UnwindRegistersRestore.S",
    "UnwindRegistersSave.S",
)
_ALIASES = {
    **dict.fromkeys(("libstdc++.a", "libsupc++.a", "libc++abi.a"), "-lc++"),
    # libgcc's own unwinder asks a function of glibc's.
    "libgcc_eh.a": "-lunwind",
}
"""Names by which makefiles and the compiler ask for it; the linker reads these files as scripts."""


def library(arch: Arch, toolchain: Path, deadline: Deadline) -> Path:
    """The folder with the C++ library's archives for an architecture, compiled on first use.

    Raises BuildError, TimedOut, Interrupted.
    """

    def fill(folder: Path) -> dict[str, Any]:
        _compile(folder, "libc++.a", [*_cxx_jobs(folder, arch, toolchain, deadline)])
        _archive(folder, "libc++.a", deadline)
        _compile(folder, "libunwind.a", [*_unwind_jobs(folder, arch, toolchain, deadline)])
        _archive(folder, "libunwind.a", deadline)
        for name, words in _ALIASES.items():
            (folder / name).write_text(f"INPUT({words})\n")
        return {"arch": arch.name}

    return cache.make(KIND, _key(arch, toolchain), fill, deadline)


def in_cache(arch: Arch, toolchain: Path) -> Path | None:
    """Return the folder of an architecture's C++ library for this toolchain; None before its first use."""
    folder = cache.place(KIND, _key(arch, toolchain))
    return folder if (folder / cache.META).exists() else None


def _key(arch: Arch, toolchain: Path) -> str:
    key = cache.digest(VERSION, toolchain.name, compiler_version(), _COMMON, _CXX, cxx_configuration(arch))
    return f"{arch.name}-c++-{key}"


_Job = Callable[[], object]


def _compile(folder: Path, archive: str, jobs: Sequence[_Job]) -> None:
    """Run the compilations of one archive, as many at once as there are processors."""
    (folder / f"{archive}.d").mkdir(exist_ok=True)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def _archive(folder: Path, name: str, deadline: Deadline) -> None:
    parts = folder / f"{name}.d"
    objects = sorted(parts.glob("*.o"))
    tool(
        [zig_folder() / "zig", "ar", "rcs", folder / name, *objects], folder, f"cannot make {name}", deadline
    )
    for path in parts.iterdir():
        path.unlink()
    parts.rmdir()


def _cxx_jobs(folder: Path, arch: Arch, toolchain: Path, deadline: Deadline) -> Iterator[_Job]:
    top = zig_folder() / "lib"
    include = [*cxx_headers(), *system_headers(arch, toolchain), top / "libcxx/src", top / "libcxx/libc"]
    flags = [*_COMMON, *_CXX, *cxx_configuration(arch), "-D_GNU_SOURCE"]
    command = [*clang(arch), "-nostdinc", *flags, *(x for path in include for x in ("-isystem", path))]
    for name, sources in _groups(top).items():
        target = folder / "libc++.a.d" / name
        yield partial(_together, command, sources, target, arch, deadline)


def _groups(top: Path) -> Mapping[str, Sequence[Path]]:
    """The sources of libc++ and libc++abi, by groups that are compiled as one: most of the time goes into
    headers that they all include."""
    folders = ("libcxx/src", "libcxx/src/filesystem", "libcxx/src/ryu", "libcxxabi/src")
    found = [path for name in folders for path in sorted((top / name).glob("*.cpp"))]
    groups: dict[str, list[Path]] = {}
    for path in found:
        if path.name in _LEFT_OUT:
            continue
        own = _APART.search(str(path))
        heavy = "heavy" if _HEAVY.search(str(path)) else path.relative_to(top).parts[0]
        groups.setdefault(f"{path.parent.name}-{path.stem}" if own else heavy, []).append(path)
    return groups


def _together(
    command: Sequence[str | Path], sources: Sequence[Path], target: Path, arch: Arch, deadline: Deadline
) -> None:
    """Compile sources as one; each for itself if they do not go together, as another release's may."""
    whole = target.with_suffix(".cpp")
    whole.write_text("".join(f'#include "{path}"\n' for path in sources))
    failure = f"the C++ library does not compile for {arch.name}"
    try:
        tool([*command, "-c", whole, "-o", f"{target}.o"], target.parent, failure, deadline)
    except BuildError:
        if len(sources) == 1:
            raise
        for number, path in enumerate(sources):
            _together(command, [path], target.with_name(f"{target.name}-{number}"), arch, deadline)


def _unwind_jobs(folder: Path, arch: Arch, toolchain: Path, deadline: Deadline) -> Iterator[_Job]:
    top = zig_folder() / "lib" / "libunwind"
    include = [top / "include", top / "src", *system_headers(arch, toolchain)]
    flags = [*_COMMON, *_UNWIND, "-D_GNU_SOURCE", "-nostdinc"]
    command = [*clang(arch), *flags, *(x for path in include for x in ("-isystem", path))]
    failure = f"the C++ library's unwinder does not compile for {arch.name}"
    for name in _UNWIND_SOURCES:
        more = ["-std=c++17", "-fno-rtti", "-nostdinc++"] if name.endswith(".cpp") else []
        words = [*command, *more, "-c", top / "src" / name, "-o", folder / "libunwind.a.d" / f"{name}.o"]
        yield partial(tool, words, folder, failure, deadline)
