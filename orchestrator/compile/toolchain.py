"""The cross-compiler: clang and lld from the ziglang wheel, a C library from Debian.

A toolchain for one architecture and C library is a folder with the headers, start files and archives of
Debian's prebuilt packages of the library, musl unless glibc is asked for, and of libgcc. Where the release
with musl has the architecture, nothing has to be compiled before the first program; elsewhere musl is
built once from that release's sources, so that all programs have the same one. A few functions that
glibc has and manual pages promise are added to it (``glibc_names``).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from functools import cache as remember
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch, GlibcToolchain
from orchestrator.compile import glibc, glibc_names, libc, untrusted
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archive, members
from orchestrator.errors import BuildError, Unavailable
from orchestrator.host import cache, process

VERSION = 7
KIND = "toolchain"
STANDARD_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g0", "-fno-ident")
PROGRAM_FLAGS = ("-std=gnu11", "-D_ALL_SOURCE", "-O2", "-g0", "-fno-ident")
"""For programs of users. musl's ``features.h`` takes _ALL_SOURCE to mean _GNU_SOURCE, unless the source
defines that itself; were it defined here, the compiler would warn of the source's line."""
CXX_FLAGS = ("-std=gnu++20", "-O2", "-g0", "-fno-ident")
WARNINGS = ("-Wall", "-Wextra")
CXX_SUFFIXES = (".cc", ".cpp", ".cxx", ".c++", ".C")
CXX_CONFIGURATION = tuple(
    f"-D_LIBCPP_{setting}"
    for setting in (
        "ABI_VERSION=1",
        "ABI_NAMESPACE=__1",
        "HAS_THREADS=1",
        "HAS_MONOTONIC_CLOCK=1",
        "HAS_TERMINAL=1",
        "HAS_MUSL_LIBC=1",
        "HAS_FILESYSTEM=1",
        "HAS_RANDOM_DEVICE=1",
        "HAS_LOCALIZATION=1",
        "HAS_UNICODE=1",
        "HAS_WIDE_CHARACTERS=1",
        "HAS_TIME_ZONE_DATABASE=1",
        "HAS_VENDOR_AVAILABILITY_ANNOTATIONS=0",
        "PSTL_BACKEND_SERIAL",
        "HARDENING_MODE=_LIBCPP_HARDENING_MODE_NONE",
        "ASSERTION_SEMANTIC_DEFAULT=_LIBCPP_ASSERTION_SEMANTIC_IGNORE",
    )
)
"""How libc++ is configured. An installed one says so in a header, ``__config_site``; the wheel has none."""
START = "crtbeginT.o"
"""What the linker wants before and after a program besides the C library's own: it defines ``__dso_handle``,
by which destructors of static objects are registered."""
_START = 'void *const __dso_handle __attribute__((visibility("hidden"))) = 0;\n'
TOOL_SECONDS = 300.0
_LONGEST_NAME = 200
"""Bytes of a program's name that leave room for the endings of temporary files beside it."""
_RUNTIME = ("libgcc.a", "libgcc_eh.a", "libatomic.a")


def zig_folder() -> Path:
    """Where the compiler's wheel is installed. Raises Unavailable."""
    found = importlib.util.find_spec("ziglang")
    if found is None or found.origin is None:
        raise Unavailable("the compiler is not installed", hint="run `pip install ziglang`")
    return Path(found.origin).parent


def prepare(arch: Arch, archive: Archive, deadline: Deadline) -> Path:
    """The toolchain folder of an architecture, created on first use."""

    def fill(folder: Path) -> dict[str, Any]:
        name = arch.toolchain.libgcc
        packages = archive.resolve(arch.name, [name])
        path = archive.fetch(list(packages.values()))[name]
        for member in members(path, [f"usr/lib/gcc/*/*/{n}" for n in _RUNTIME]):
            # Variants for other ABIs (x32, sf, …) lie one folder deeper.
            if member.path.count("/") == 5:
                _place(folder, member.path, member.data)
        if _is_glibc(arch):
            version = glibc.add(arch, archive, folder)
            _add_start_files(arch, folder, deadline)
        else:
            version = libc.add(arch, archive.another(libc.SUITE), clang(arch), folder, deadline)
            _add_start_files(arch, folder, deadline)
            _complete_musl(arch, folder, deadline)
        return {
            "arch": arch.name,
            "libc": version,
            "packages": {p.name: p.version for p in packages.values()},
        }

    return cache.make(KIND, _key(arch), fill, deadline)


def _is_glibc(arch: Arch) -> bool:
    return isinstance(arch.toolchain, GlibcToolchain)


def _key(arch: Arch) -> str:
    if _is_glibc(arch):
        key = cache.digest(glibc.VERSION, glibc.packages_of(arch), arch.suite, arch.toolchain)
        return f"{arch.name}-glibc-{key}"
    return f"{arch.name}-{cache.digest(VERSION, libc.SUITE, arch.toolchain, glibc_names.key())}"


def libc_version(arch: Arch) -> str:
    """Return the version of the C library that programs of an architecture are linked with, such as
    ``1.2.5``; "" before its toolchain is first used."""
    folder = in_cache(arch)
    return str(cache.meta(folder)["libc"]) if folder else ""


def in_cache(arch: Arch) -> Path | None:
    """Return the folder of an architecture's toolchain, or that of the one before it; None before its first
    use."""
    for source in (arch, arch.former):
        folder = cache.place(KIND, _key(source)) if source else None
        if folder and (folder / cache.META).exists():
            return folder
    return None


def _place(folder: Path, path: str, data: bytes) -> None:
    parts = path.split("/")
    where = folder / "include" / "/".join(parts[2:]) if parts[1] == "include" else folder / parts[-1]
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(data)


def _add_start_files(arch: Arch, folder: Path, deadline: Deadline) -> None:
    """Add what a C compiler's own package has and a library's has not."""
    for name, text in ((START, _START), ("crtend.o", "")):
        (folder / "start.c").write_text(text)
        command = [*clang(arch), "-c", "start.c", "-o", name]
        tool(command, folder, f"{name} does not compile for {arch.name}", deadline)
    (folder / "start.c").unlink()


def _complete_musl(arch: Arch, folder: Path, deadline: Deadline) -> None:
    """Add what glibc has and programs expect: an archive's name, a few functions."""
    # crypt(3) is in musl's libc.a; Debian's package lacks the empty archive that -lcrypt asks for.
    (folder / "libcrypt.a").write_bytes(b"!<arch>\n")
    include = (word for path in system_headers(arch, folder) for word in ("-isystem", path))
    compiler = [*clang(arch), "-nostdinc", *include]
    glibc_names.add(folder, compiler, lambda command, failure: tool(command, folder, failure, deadline))


def compile_program(
    arch: Arch,
    toolchain: Path,
    sources: list[Path],
    flags: tuple[str, ...],
    output: Path,
    deadline: Deadline,
    visible: untrusted.Visible | None = None,
    *,
    standard: Sequence[str] = STANDARD_FLAGS,
    cxx: Path | None = None,
    first: Sequence[str | Path] = (),
) -> str:
    """Compile and link one static program; returns the compiler's warnings.

    ``visible`` is for untrusted sources: the files that one may include, besides the system's headers.
    ``cxx`` is the folder of the C++ library, needed if a source is C++. ``first`` are options and archives
    for the linker that come before the C library's. Raises BuildError with the compiler's output.
    """
    words: list[str] = []
    objects: list[Path] = []
    short = output.with_name(_short(output.name))
    link = _linker(arch)
    run = tool
    if visible is not None:
        link, run = [*untrusted.BOUNDS, *link, *untrusted.LINKER_FLAGS], untrusted_tool
    overlay = output.parent / f".{short.name}.json"
    for source in sources:
        compiler = _compiler_of(source, arch, toolchain, standard, cxx)
        if visible is not None:
            view = untrusted.write_view(overlay, visible(source), (toolchain, zig_folder() / "lib"))
            compiler = [*untrusted.BOUNDS, *compiler, *untrusted.FLAGS, *view]
        target = output.parent / f".{short.name}-{len(objects)}.o"
        command = [*compiler, *WARNINGS, *flags, "-c", _argument(source.name), "-o", target]
        failure = f"{source.name} does not compile for {arch.name}"
        words.append(run(command, source.parent, failure, deadline))
        objects.append(target)
    link += ["-o", short, *_around(arch, toolchain, [*objects, *first], cxx)]
    run(link, output.parent, f"{output.name} does not link for {arch.name}", deadline)
    short.replace(output)
    for target in objects:
        target.unlink()
    overlay.unlink(missing_ok=True)
    return "".join(words)


def _short(name: str) -> str:
    """Return a name to which a compiler and a linker can add their own endings: the same, unless it is
    nearly as long as a file system permits (255 bytes)."""
    long = len(os.fsencode(name)) > _LONGEST_NAME
    return hashlib.sha256(os.fsencode(name)).hexdigest() if long else name


def compile_library(arch: Arch, toolchain: Path, source: Path, output: Path, deadline: Deadline) -> None:
    """Compile one source into a shared library without a C library, to be loaded into a program that
    has one. Raises BuildError with the compiler's output."""
    target = output.parent / f".{output.name}.o"
    command = [*_compiler(arch, toolchain), *WARNINGS, "-fPIC", "-c", source.name, "-o", target]
    tool(command, source.parent, f"{source.name} does not compile for {arch.name}", deadline)
    link: list[str | Path] = [zig_folder() / "zig", "ld.lld", "-shared", "-s"]
    link += ["-m", arch.toolchain.emulation]
    # The old table has wider entries on s390x, which lld does not know; MIPS has only the old one.
    style = "sysv" if arch.name.startswith("mips") else "gnu"
    link += [f"--hash-style={style}", "-o", output, target]
    tool(link, output.parent, f"{output.name} does not link for {arch.name}", deadline)
    target.unlink()


def _argument(name: str) -> str:
    """A file's name as an argument: one that begins with a dash is no option."""
    return f"./{name}" if name.startswith("-") else name


def clang(arch: Arch) -> list[str | Path]:
    """The compiler for an architecture, without any header or library."""
    return [zig_folder() / "zig", "clang", f"--target={arch.toolchain.triple}", *arch.toolchain.cflags]


def system_headers(arch: Arch, toolchain: Path) -> list[Path]:
    """Where headers of the system are: the C library's, the compiler's, the kernel's, in this order."""
    return [toolchain / "include", *kernel_headers(arch)]


def kernel_headers(arch: Arch) -> list[Path]:
    """Where headers are that need no C library: the compiler's, the kernel's, in this order."""
    zig = zig_folder() / "lib"
    kernel = zig / "libc" / "include"
    return [zig / "include", kernel / f"{arch.toolchain.headers}-linux-any", kernel / "any-linux-any"]


def cxx_headers() -> list[Path]:
    """Where the headers of the C++ library are; they come before those of C."""
    return [zig_folder() / "lib" / name / "include" for name in ("libcxx", "libcxxabi")]


def _compiler(arch: Arch, toolchain: Path, standard: Sequence[str] = STANDARD_FLAGS) -> list[str | Path]:
    include = (x for path in system_headers(arch, toolchain) for x in ("-isystem", path))
    return [*clang(arch), *standard, "-nostdinc", *include]


def _compiler_of(
    source: Path, arch: Arch, toolchain: Path, standard: Sequence[str], cxx: Path | None
) -> list[str | Path]:
    """The command that compiles this source: C++ by its suffix, else C."""
    if source.suffix not in CXX_SUFFIXES:
        return _compiler(arch, toolchain, standard)
    assert cxx is not None
    include = (x for path in (*cxx_headers(), *system_headers(arch, toolchain)) for x in ("-isystem", path))
    return [*clang(arch), "-xc++", *CXX_FLAGS, *cxx_configuration(arch), "-nostdinc", *include]


def _linker(arch: Arch) -> list[str | Path]:
    link: list[str | Path] = [zig_folder() / "zig", "ld.lld", "-static", "-s", "--eh-frame-hdr"]
    return [*link, *stack_options(arch), "-m", arch.toolchain.emulation]


def stack_options(arch: Arch) -> list[str]:
    """Return the linker's options where the C library's objects ask for an executable stack: without them
    it refuses."""
    theirs = arch.toolchain
    return ["-z", "execstack"] if isinstance(theirs, GlibcToolchain) and theirs.executable_stack else []


def cxx_configuration(arch: Arch) -> tuple[str, ...]:
    """Return how libc++ is configured beside the C library of an architecture's toolchain."""
    if not _is_glibc(arch):
        return CXX_CONFIGURATION
    return tuple(flag.replace("MUSL_LIBC=1", "MUSL_LIBC=0") for flag in CXX_CONFIGURATION)


def _around(
    arch: Arch, toolchain: Path, objects: Sequence[str | Path], cxx: Path | None = None
) -> list[str | Path]:
    """Wrap objects in the start files and archives of the C library, and of C++ if ``cxx`` is its folder."""
    # What musl has in one archive is in several of glibc, whose atexit() registers by ``__dso_handle``.
    names = ["libc.a", *(("libm.a", "libcrypt.a") if _is_glibc(arch) else ()), *_RUNTIME]
    archives = [toolchain / name for name in names]
    before: list[str | Path] = [toolchain / "crt1.o", toolchain / "crti.o"]
    after = [toolchain / "crtn.o"]
    if cxx is not None or _is_glibc(arch):
        before.append(toolchain / START)
    if cxx is not None:
        archives = [cxx / "libc++.a", cxx / "libunwind.a", *archives]
    return [*before, *objects, "--start-group", *archives, "--end-group", *after]


def tool_environment() -> Mapping[str, str]:
    """The environment of a compiler: nothing of the user's that changes what it makes, as CPATH would."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {"LC_ALL": "C.UTF-8", **kept}


def tool(command: list[str | Path], folder: Path, failure: str, deadline: Deadline) -> str:
    """Run the compiler, the linker or the archiver in a folder; returns what it wrote. Raises BuildError
    whose summary is ``failure``."""
    words, code = _run_tool(command, folder, deadline)
    return _succeeded(words, code, failure)


def untrusted_tool(command: list[str | Path], folder: Path, failure: str, deadline: Deadline) -> str:
    """The same for what a student handed in: what it wrote is limited, and says how the tool was ended."""
    words, code = _run_tool(command, folder, deadline)
    return _succeeded(untrusted.told(words, code), code, failure)


def _run_tool(command: list[str | Path], folder: Path, deadline: Deadline) -> tuple[str, int]:
    limit = deadline.within(TOOL_SECONDS)
    done = process.run(command, deadline=limit, cwd=folder, env=tool_environment(), check=False)
    return (done.stdout + done.stderr).decode(errors="replace"), done.code


def _succeeded(words: str, code: int, failure: str) -> str:
    if code != 0:
        raise BuildError(failure, words=words or f"the compiler ended with status {code}")
    return words


@remember
def compiler_version() -> str:
    """The compiler's version: another one builds different programs from the same sources."""
    return version("ziglang")
