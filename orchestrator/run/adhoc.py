"""An ad-hoc lab that runs one program on every boundary and architecture."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.compile.built_before import MAKEFILES
from orchestrator.compile.toolchain import CXX_SUFFIXES
from orchestrator.errors import SpecError
from orchestrator.formatting import printable
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.models import Build, Exercise, Lab, Libc, Machine, Step
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.paths import state_dir

EXERCISE = "./program"
LIBRARIES: Mapping[str, tuple[Libc, ...]] = {
    "musl": ("musl",),
    "glibc": ("glibc",),
    "both": ("musl", "glibc"),
}
"""The C libraries that a choice of them means, in the order in which programs run."""
MACHINES = "machines"
"""The name of the lab, and so of the session, of machines brought up without a lab file."""
_KEPT = 2**20
"""Bytes kept of each output: a program that prints more is stopped for it, so that nothing is compared
that nobody can see."""
SUFFIXES = (".c", *CXX_SUFFIXES)
_NAME_ONE = "name a C or C++ file, or a folder with a Makefile"
_OTHER_BUILDS = {
    "CMakeLists.txt": "cmake -B build && make -C build",
    "configure": "./configure --host=$CROSS_TRIPLE && make",
    "autogen.sh": "./autogen.sh && ./configure --host=$CROSS_TRIPLE && make",
    "configure.ac": "autoreconf -i && ./configure --host=$CROSS_TRIPLE && make",
    "build.sh": "sh build.sh",
    "src/Makefile": "make -C src",
}


def machines_for(on: str, option: str = "--on") -> dict[str, Machine]:
    """Return the machines named by ``--on`` (or ``option``): "all", or names separated by commas. Raises
    SpecError.

    ``user-s390x`` is that architecture under user-mode emulation; not part of "all": it would need one
    more emulator per architecture and show the same instruction sets again.
    """
    known = {name: Machine(driver=name) for name in ("process", "sandbox", "container")}
    known["vm"] = Machine(driver="qemu")
    foreign = [name for name in ARCHITECTURES if name != host_arch().name]
    known |= {name: Machine(driver="qemu", arch=name) for name in foreign}
    if on == "all":
        return known
    known |= {f"user-{name}": Machine(driver="process", arch=name) for name in foreign}
    wanted = [name.strip() for name in on.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, list(known)) or f"machines: {', '.join(known)}"
            raise SpecError(f"{option}: unknown machine {name!r}", hint=hint)
    if not wanted:
        raise SpecError(f"{option} names no machine", hint=f"machines: {', '.join(known)}")
    return {name: known[name] for name in wanted}


def lab_of_machines(names: Sequence[str]) -> LoadedLab:
    """Return a lab of these machines, each named for what it is, with nothing to run. Raises SpecError.

    Its path lies in the state folder and is the same for all such labs: their machines share one session.
    """
    machines = machines_for(",".join(names), "--machine")
    lab = Lab.model_construct(
        lab=MACHINES, title="Machines without a lab file", machines=machines, exercises=[]
    )
    return LoadedLab(lab=lab, path=state_dir() / MACHINES, exercises=())


def lab_of(
    path: Path,
    arguments: Sequence[str],
    *,
    on: str,
    stdin: Path | None,
    command: str,
    timeout: float,
    libc: str = "musl",
) -> LoadedLab:
    """Return a lab with one exercise: this C file, or this folder built by ``command``; with one for each C
    library if ``libc`` is "both". Raises SpecError."""
    libraries = _libraries(libc)
    _require(path, command)
    stdin = _input(stdin) if stdin is not None else None
    # Names and arguments may hold any bytes, which the models' own checks refuse.
    build = _build(path, command)
    step = Step.model_construct(
        run=shlex.join([f"./{build.program}", *arguments]), stdin=str(stdin.resolve()) if stdin else None
    )
    exercise = Exercise.model_construct(
        title=printable(path.name), build=[build], run=[step], timeout=timeout, output_limit=_KEPT
    )
    folder = path.resolve() if path.is_dir() else path.parent.resolve()
    loaded = tuple(
        LoadedExercise(name, folder, exercise.model_copy(update={"libc": library}), exact_timeout=True)
        for library, name in zip(libraries, _names(libraries), strict=True)
    )
    lab = Lab(lab="try", machines=machines_for(on), exercises=[each.name for each in loaded])
    return LoadedLab(lab=lab, path=path, exercises=loaded)


def _libraries(libc: str) -> tuple[Libc, ...]:
    if libc not in LIBRARIES:
        hint = did_you_mean(libc, list(LIBRARIES)) or f"choose one: {', '.join(LIBRARIES)}"
        raise SpecError(f"--libc: unknown C library {quote(libc)}", hint=hint)
    return LIBRARIES[libc]


def _names(libraries: Sequence[str]) -> list[str]:
    """The exercises' names: also those of the folders that programs run in."""
    return [EXERCISE] if len(libraries) == 1 else [f"./{library}" for library in libraries]


def _input(stdin: Path) -> Path | None:
    """Return the file to read as standard input; None for the null device, which holds nothing. Raises
    SpecError."""
    if stdin.is_file():
        return stdin
    if stdin.resolve() == Path(os.devnull):
        return None
    what = ": no such file"
    if stdin.exists():
        what = " is a folder, not a file" if stdin.is_dir() else " is not a regular file"
    raise SpecError(f"--stdin {printable(str(stdin))}{what}", hint="name a file to be the program's input")


def _require(path: Path, command: str) -> None:
    """Raise SpecError unless this can be built: a source, or a folder with a makefile, or by ``command``."""
    shown = printable(str(path))
    if not path.exists():
        what = (
            f"a link to {quote(path.readlink())}, which is not there" if path.is_symlink() else "no such file"
        )
        raise SpecError(f"{shown}: {what}", hint=_NAME_ONE)
    if not path.is_dir() and not path.is_file():
        raise SpecError(f"{shown} is neither a file nor a folder", hint=_NAME_ONE)
    if command:
        return
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise SpecError(
                f"{shown} is not a C or C++ source ({', '.join(SUFFIXES)})",
                hint=f"{_NAME_ONE}, or say how to build it: --build 'COMMAND'",
            )
    elif not any((path / name).is_file() for name in MAKEFILES):
        raise SpecError(f"{shown} has no Makefile", hint=_other_build(path))


def _other_build(folder: Path) -> str:
    """How to build a folder without a makefile, from what it has instead."""
    for file, command in _OTHER_BUILDS.items():
        if (folder / file).is_file():
            return f"build it with --build '{command}'"
    sources = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIXES)
    if sources:
        return f"name one source, such as {printable(str(folder / sources[0]))}, or give --build 'COMMAND'"
    return f"{_NAME_ONE}, or say how to build it: --build 'COMMAND'"


def _build(path: Path, command: str) -> Build:
    if path.is_dir() or command:
        return Build.model_construct(command=command or "make")
    flags: list[str] = []
    if path.is_symlink() and path.resolve().parent != path.parent.resolve():
        # Its headers may be beside the file itself.
        flags = ["-iquote", str(path.resolve().parent)]
    return Build.model_construct(sources=[path.name], flags=flags)
