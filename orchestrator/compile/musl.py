"""Build musl from its sources, for an architecture that Debian no longer has a prebuilt one of.

What is built is decided as in musl's own Makefile, which needs make(1) and a shell: a file in a folder
named like the architecture replaces the general one beside it. Only what a static program needs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.errors import BuildError
from orchestrator.host import process
from orchestrator.host.tempdirs import working_folder

VERSION = 1
"""Incremented when the same sources build a different library."""

FLAGS = (
    *("-std=c99", "-ffreestanding", "-nostdinc", "-fno-strict-aliasing", "-D_XOPEN_SOURCE=700", "-Os"),
    *("-g0", "-w", "-fno-ident", "-fomit-frame-pointer", "-fno-stack-protector"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-ffunction-sections", "-fdata-sections"),
)
START_FILES = ("crt1", "crti", "crtn")
EMPTY = ("m", "rt", "pthread", "util", "xnet", "resolv", "dl")
"""Libraries that makefiles name, and that are all in ``libc.a``."""
_NAMES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "arm", "ppc64el": "powerpc64"}
_NAMES |= {"mips64el": "mips64", "mipsel": "mips"}
_ADDED = {"debian/musl-fts/fts.c": "src/fts/fts.c", "debian/musl-fts/config.h": "src/fts/config.h"}
_ADDED |= {"debian/musl-fts/fts.h": "include/fts.h"}
"""What Debian's rules copy into the sources."""
_AT_ONCE = 64
"""Files for one call of the compiler: fewer calls take less time, but end less evenly."""
SECONDS = 900.0


def build(
    arch: Arch, compiler: Sequence[str | Path], files: Mapping[str, bytes], folder: Path, deadline: Deadline
) -> None:
    """Write ``libc.a``, the start files and ``include/`` into ``folder``; ``compiler`` is one for the
    architecture, without headers. ``files`` are the sources by path.

    It takes half a minute of processor time, which other work goes before. Raises BuildError, TimedOut.
    """
    name = _NAMES.get(arch.name, arch.name)
    limit = deadline.within(SECONDS)
    with working_folder("musl") as work:
        _write_sources(files, work)
        _write_headers(work, name, folder / "include", limit)
        command = ["nice", *compiler, *FLAGS, *_includes(work, name, folder / "include")]
        objects = _compile(command, list(_library(work, name)), work / "objects", limit)
        start = _compile([*command, "-DCRT"], list(_start_files(work, name)), work / "start", limit)
        for made in start:
            made.rename(folder / made.name)
        # Appended, not replaced: two folders have a realloc.c.
        archiver: list[str | Path] = [compiler[0], "ar", "qcs", folder / "libc.a"]
        for number in range(0, len(objects), 500):
            _run([*archiver, *objects[number : number + 500]], work, limit)
        for library in EMPTY:
            (folder / f"lib{library}.a").write_bytes(b"!<arch>\n")


def _write_sources(files: Mapping[str, bytes], work: Path) -> None:
    added = {new: files[old] for old, new in _ADDED.items() if old in files}
    for path, data in {**files, **added}.items():
        if not path.startswith("debian/"):
            place = work / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)


def _write_headers(work: Path, name: str, include: Path, deadline: Deadline) -> None:
    """Write the headers of programs, some of which are generated."""
    for root in (work / "include", work / "arch" / "generic", work / "arch" / name):
        below = root if root.name == "include" else root / "bits"
        for path in below.rglob("*.h"):
            place = include / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    bits = work / "arch" / name / "bits"
    types = [bits / "alltypes.h.in", work / "include" / "alltypes.h.in"]
    script = work / "tools" / "mkalltypes.sed"
    (include / "bits" / "alltypes.h").write_bytes(_run(["sed", "-f", script, *types], work, deadline))
    calls = (bits / "syscall.h.in").read_text()
    numbers = [line.replace("__NR_", "SYS_") for line in calls.splitlines() if "__NR_" in line]
    (include / "bits" / "syscall.h").write_text("\n".join([calls, *numbers, ""]))
    version = (work / "VERSION").read_text().strip()
    (work / "src" / "internal" / "version.h").write_text(f'#define VERSION "{version}"\n')


def _includes(work: Path, name: str, include: Path) -> list[str]:
    inner = ("arch/" + name, "arch/generic", "src/include", "src/internal")
    return [f"-I{path}" for path in (*(work / part for part in inner), include)]


def _library(work: Path, name: str) -> Iterator[Path]:
    folders = [*sorted((work / "src").iterdir()), work / "src" / "malloc" / "mallocng"]
    about = work / "arch" / name / "arch.mak"
    more = (
        re.search(r"^COMPAT_SRC_DIRS\s*=\s*(.+)$", about.read_text(), re.MULTILINE)
        if about.exists()
        else None
    )
    folders += [work / part for part in (more[1].split() if more else ())]
    for folder in folders:
        yield from _chosen(folder, name).values()


def _start_files(work: Path, name: str) -> Iterator[Path]:
    return (path for stem, path in _chosen(work / "crt", name).items() if stem in START_FILES)


def _chosen(folder: Path, name: str) -> dict[str, Path]:
    """The sources of a folder by the name of their object."""
    own = [path for path in sorted((folder / name).glob("*")) if path.suffix in (".c", ".s", ".S")]
    return {path.stem: path for path in [*sorted(folder.glob("*.c")), *own]}


def _compile(
    command: Sequence[str | Path], sources: Sequence[Path], work: Path, deadline: Deadline
) -> list[Path]:
    """Compile sources, as many at a time as there are processors; returns the objects."""
    calls = list(_calls(sources))

    def call(number: int) -> list[Path]:
        place = work / str(number)
        place.mkdir(parents=True)
        _run([*command, "-c", *calls[number]], place, deadline)
        return [place / f"{path.stem}.o" for path in calls[number]]

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return [path for made in pool.map(call, range(len(calls))) for path in made]


def _calls(sources: Sequence[Path]) -> Iterator[list[Path]]:
    """Divide sources among calls of the compiler, none of which has two of the same name: it writes
    objects into one folder."""
    number = -(-len(sources) // _AT_ONCE)
    calls: list[dict[str, Path]] = [{} for _ in range(number)]
    for place, path in enumerate(sources):
        call = next((c for c in (calls[place % number :] + calls) if path.stem not in c), None)
        if call is None:
            calls.append(call := {})
        call[path.stem] = path
    return (list(call.values()) for call in calls)


def _run(command: Sequence[str | Path], folder: Path, deadline: Deadline) -> bytes:
    done = process.run(command, deadline=deadline, cwd=folder, check=False)
    if done.code != 0:
        raise BuildError(f"musl does not build ({PurePosixPath(command[0]).name}):\n{done.tail(15)}")
    return done.stdout
