"""The cross-compiler: clang and lld from the ziglang wheel, a C library from Debian.

A toolchain for one architecture is a folder with the headers, start files and archives of
Debian's prebuilt musl-dev and libgcc packages. Nothing has to be compiled before the first
program, which is what makes ten of them ready in a few seconds; see docs/architecture.md.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from orchestrator import proc
from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.errors import BuildError, Unavailable
from orchestrator.images import cache
from orchestrator.images.debian import Archive, members

VERSION = 3
STANDARD_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g0", "-Wall", "-Wextra", "-fno-ident")
_RUNTIME = ("libgcc.a", "libgcc_eh.a", "libatomic.a")


def zig_folder() -> Path:
    """Where the compiler's wheel is installed. Raises Unavailable."""
    found = importlib.util.find_spec("ziglang")
    if found is None or found.origin is None:
        raise Unavailable("the compiler is not installed", hint="`pip install ziglang`")
    return Path(found.origin).parent


def prepare(arch: Arch, archive: Archive, deadline: Deadline) -> Path:
    """The toolchain folder of an architecture, made on first use."""

    def fill(folder: Path) -> dict[str, Any]:
        names = ["musl-dev", arch.toolchain.libgcc]
        packages = archive.resolve(arch.name, names)
        paths = archive.fetch(list(packages.values()))
        libc = arch.toolchain.libc
        patterns = {
            "musl-dev": [f"usr/lib/{libc}/*", f"usr/include/{libc}/*"],
            names[1]: [f"usr/lib/gcc/*/*/{n}" for n in _RUNTIME],
        }
        for name, wanted in patterns.items():
            for member in members(paths[name], wanted):
                # Variants for other ABIs (x32, sf, …) lie one folder deeper.
                if name == names[1] and member.path.count("/") != 5:
                    continue
                _place(folder, member.path.replace(f"/{libc}/", "/"), member.data)
        return {"arch": arch.name, "packages": {p.name: p.version for p in packages.values()}}

    return cache.make("toolchain", f"{arch.name}-{cache.digest(VERSION, arch.toolchain)}", fill, deadline)


def _place(folder: Path, path: str, data: bytes) -> None:
    parts = path.split("/")
    where = folder / "include" / "/".join(parts[2:]) if parts[1] == "include" else folder / parts[-1]
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(data)


def compile_program(
    arch: Arch, toolchain: Path, sources: list[Path], flags: tuple[str, ...], output: Path, deadline: Deadline
) -> str:
    """Compile and link one static program; returns the compiler's warnings.

    Raises BuildError with the compiler's own words.
    """
    zig, about = zig_folder(), arch.toolchain
    headers = zig / "lib" / "libc" / "include"
    include = [toolchain / "include", zig / "lib" / "include"]
    include += [headers / f"{about.headers}-linux-any", headers / "any-linux-any"]
    words: list[str] = []
    objects: list[Path] = []
    for source in sources:
        target = output.parent / f".{output.name}-{len(objects)}.o"
        command: list[str | Path] = [zig / "zig", "clang", f"--target={about.triple}", *about.cflags]
        command += [*STANDARD_FLAGS, "-nostdinc", *(x for path in include for x in ("-isystem", path))]
        command += [*flags, "-c", source.name, "-o", target]
        words.append(
            _tool(command, source.parent, f"{source.name} does not compile for {arch.name}", deadline)
        )
        objects.append(target)
    start, end = [toolchain / "crt1.o", toolchain / "crti.o"], [toolchain / "crtn.o"]
    archives = [toolchain / name for name in ("libc.a", *_RUNTIME)]
    libraries: list[str | Path] = ["--start-group", *archives, "--end-group"]
    link: list[str | Path] = [zig / "zig", "ld.lld", "-static", "-s", "-m", about.emulation, "-o", output]
    _tool(
        [*link, *start, *objects, *libraries, *end], output.parent, f"{output.name} does not link", deadline
    )
    for target in objects:
        target.unlink()
    return "".join(words)


def _tool(command: list[str | Path], folder: Path, failure: str, deadline: Deadline) -> str:
    done = proc.run(command, deadline=deadline.within(120), cwd=folder, check=False)
    words = (done.stdout + done.stderr).decode(errors="replace")
    if done.code != 0:
        raise BuildError(f"{failure}:\n{words.rstrip()}")
    return words
