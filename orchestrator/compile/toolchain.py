"""The cross-compiler: clang and lld from the ziglang wheel, a C library from Debian.

A toolchain for one architecture is a folder with the headers, start files and archives of
Debian's prebuilt musl-dev and libgcc packages. Where the release with the C library has the
architecture, nothing has to be compiled before the first program; elsewhere the library is
built once from that release's sources, so that all programs have the same one.
"""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile import libc
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archive, members
from orchestrator.errors import BuildError, Unavailable
from orchestrator.host import cache, process

VERSION = 5
STANDARD_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g0", "-fno-ident")
WARNINGS = ("-Wall", "-Wextra")
BOUNDS = ("prlimit", f"--as={2 * 2**30}", f"--fsize={64 * 2**20}", "--cpu=60", "--core=0")
"""Limits for compiling untrusted sources, which could make the compiler read endlessly or write a lot."""
_NO_ASSEMBLY = ("-fno-gnu-inline-asm",)
"""The assembler has its own includes (``.incbin``), which the preprocessor does not see."""
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
        version = libc.add(arch, archive.another(libc.SUITE), clang(arch), folder, deadline)
        return {
            "arch": arch.name,
            "libc": version,
            "packages": {p.name: p.version for p in packages.values()},
        }

    return cache.make("toolchain", _key(arch), fill, deadline)


def _key(arch: Arch) -> str:
    return f"{arch.name}-{cache.digest(VERSION, libc.SUITE, arch.toolchain)}"


def libc_version(arch: Arch) -> str:
    """Return the version of musl that programs of an architecture are linked with, such as ``1.2.5``;
    "" before its toolchain is first used."""
    for source in (arch, arch.former):
        folder = cache.place("toolchain", _key(source)) if source else None
        if folder and (folder / cache.META).exists():
            return str(cache.meta(folder)["libc"])
    return ""


def _place(folder: Path, path: str, data: bytes) -> None:
    parts = path.split("/")
    where = folder / "include" / "/".join(parts[2:]) if parts[1] == "include" else folder / parts[-1]
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(data)


def compile_program(
    arch: Arch,
    toolchain: Path,
    sources: list[Path],
    flags: tuple[str, ...],
    output: Path,
    deadline: Deadline,
    within: Sequence[Path] | None = None,
) -> str:
    """Compile and link one static program; returns the compiler's warnings.

    ``within`` is for untrusted sources: the files and folders they may include from.
    Raises BuildError with the compiler's output.
    """
    words: list[str] = []
    objects: list[Path] = []
    compiler = _compiler(arch, toolchain)
    if within is not None:
        compiler = [*BOUNDS, *compiler, *_NO_ASSEMBLY]
    for source in sources:
        if within is not None:
            _require_inside([*compiler, *flags], source, (*within, toolchain, zig_folder()), deadline)
        target = output.parent / f".{output.name}-{len(objects)}.o"
        command = [*compiler, *WARNINGS, *flags, "-c", source.name, "-o", target]
        failure = f"{source.name} does not compile for {arch.name}"
        words.append(_tool(command, source.parent, failure, deadline))
        objects.append(target)
    link = [*_linker(arch), "-o", output, *_around(toolchain, objects)]
    _tool(link, output.parent, f"{output.name} does not link for {arch.name}", deadline)
    for target in objects:
        target.unlink()
    return "".join(words)


def _require_inside(
    compiler: list[str | Path], source: Path, allowed: Sequence[Path], deadline: Deadline
) -> None:
    """Raise BuildError if ``source`` includes or embeds a file from elsewhere, which the program could
    print later."""
    # No carets: they would quote from a file that may be secret.
    command = [*compiler, "-M", "-w", "-fno-caret-diagnostics", source.name]
    rule = _tool(command, source.parent, f"{source.name} does not compile", deadline)
    roots = [folder.resolve() for folder in allowed]
    for name in shlex.split(rule.partition(":")[2].replace("\\\n", " ")):
        path = (source.parent / name).resolve()
        if not any(path.is_relative_to(root) for root in roots):
            raise BuildError(f"{source.name} includes {name}, which is not one of the exercise's files")


def compile_library(arch: Arch, toolchain: Path, source: Path, output: Path, deadline: Deadline) -> None:
    """Compile one source into a shared library without a C library, to be loaded into a program that
    has one. Raises BuildError with the compiler's output."""
    target = output.parent / f".{output.name}.o"
    command = [*_compiler(arch, toolchain), *WARNINGS, "-fPIC", "-c", source.name, "-o", target]
    _tool(command, source.parent, f"{source.name} does not compile for {arch.name}", deadline)
    link: list[str | Path] = [zig_folder() / "zig", "ld.lld", "-shared", "-s"]
    link += ["-m", arch.toolchain.emulation]
    # The old table has wider entries on s390x, which lld does not know; MIPS has only the old one.
    style = "sysv" if arch.name.startswith("mips") else "gnu"
    link += [f"--hash-style={style}", "-o", output, target]
    _tool(link, output.parent, f"{output.name} does not link for {arch.name}", deadline)
    target.unlink()


def _compiler(arch: Arch, toolchain: Path) -> list[str | Path]:
    zig, about = zig_folder(), arch.toolchain
    headers = zig / "lib" / "libc" / "include"
    include: list[str | Path] = [toolchain / "include", zig / "lib" / "include"]
    include += [headers / f"{about.headers}-linux-any", headers / "any-linux-any"]
    return [
        *clang(arch),
        *STANDARD_FLAGS,
        "-nostdinc",
        *(x for path in include for x in ("-isystem", path)),
    ]


def clang(arch: Arch) -> list[str | Path]:
    """The compiler for an architecture, without any header or library."""
    return [zig_folder() / "zig", "clang", f"--target={arch.toolchain.triple}", *arch.toolchain.cflags]


def _linker(arch: Arch) -> list[str | Path]:
    return [zig_folder() / "zig", "ld.lld", "-static", "-s", "-m", arch.toolchain.emulation]


def _around(toolchain: Path, objects: Sequence[str | Path]) -> list[str | Path]:
    """Wrap objects in the C library's start files and archives."""
    archives = [toolchain / name for name in ("libc.a", *_RUNTIME)]
    before, after = [toolchain / "crt1.o", toolchain / "crti.o"], [toolchain / "crtn.o"]
    return [*before, *objects, "--start-group", *archives, "--end-group", *after]


def write_cc(arch: Arch, toolchain: Path, folder: Path) -> Path:
    """Write a ``cc`` for makefiles: it compiles as clang does and links as ``compile_program`` does.

    Understands what makefiles use: sources, objects, archives, ``-c``, ``-S``, ``-E``, ``-o``,
    ``-l`` and ``-L`` (all of the C library is linked anyway), and any flag of the compiler.
    """
    script = folder / "cc"
    compiler, linker = (shlex.join(map(str, c)) for c in (_compiler(arch, toolchain), _linker(arch)))
    before, after = (shlex.join(map(str, part)) for part in _split(_around(toolchain, ["@"])))
    script.write_text(_CC.format(compiler=compiler, linker=linker, before=before, after=after))
    script.chmod(0o755)
    return script


def _split(words: list[str | Path]) -> tuple[list[str | Path], list[str | Path]]:
    middle = words.index("@")
    return words[:middle], words[middle + 1 :]


_CC = """#!/bin/sh
# clang for one architecture, and its linker when nothing asks for less than a program.
set -eu
output=a.out objects="" flags="" sources="" link=yes
while [ $# -gt 0 ]; do
	case $1 in
	-c | -S | -E | -M | -MM | --version | -v) link=no flags="$flags $1" ;;
	-o) output=$2; shift ;;
	-o*) output=${{1#-o}} ;;
	-l* | -L* | -static | -pie | -no-pie | -pthread | -rdynamic | -s | -Wl,*) ;;
	-I | -D | -U | -include | -MF | -MT | -MQ) flags="$flags $1 $2"; shift ;;
	-*) flags="$flags $1" ;;
	*.o | *.a) objects="$objects $1" ;;
	*) sources="$sources $1" ;;
	esac
	shift
done
if [ $link = no ]; then
	if [ "$output" = a.out ]; then set --; else set -- -o "$output"; fi
	exec {compiler} $flags $sources "$@"
fi
for source in $sources; do
	object=.cc-$$-$(basename "$source").o
	{compiler} $flags -c "$source" -o "$object"
	objects="$objects $object"
done
{linker} -o "$output" {before} $objects {after}
rm -f .cc-$$-*.o
"""


def _tool(command: list[str | Path], folder: Path, failure: str, deadline: Deadline) -> str:
    done = process.run(command, deadline=deadline.within(120), cwd=folder, check=False)
    words = (done.stdout + done.stderr).decode(errors="replace")
    if done.code != 0:
        raise BuildError(f"{failure}:\n{words.rstrip()}")
    return words
