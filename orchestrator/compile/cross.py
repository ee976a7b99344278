"""Cross-compile programs of exercises, once per content: sources -> static binary per architecture."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch, host_arch
from orchestrator.compile import cplusplus, makefile_tools, poison, untrusted
from orchestrator.compile.build_folder import FILES, FolderBuild, build_folder
from orchestrator.compile.built_before import BuiltBefore
from orchestrator.compile.explain import explained, shortened
from orchestrator.compile.included import included
from orchestrator.compile.makefile_tools import Libraries
from orchestrator.compile.toolchain import (
    CXX_CONFIGURATION,
    CXX_FLAGS,
    CXX_SUFFIXES,
    PROGRAM_FLAGS,
    WARNINGS,
    compile_program,
    compiler_version,
    prepare,
)
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import BuildError, NotOnMirror, WorkError
from orchestrator.host import cache
from orchestrator.host.sparse import digest_of
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Build
from orchestrator.labfile.shared import ABOVE, shared_files
from orchestrator.labfile.writable_copy import entries

VERSION = 2
MOST_BYTES, MOST_FILES = 4 * 2**30, 100_000
"""The most that a folder to be built may hold: a copy is made of it for each architecture."""
_PLAIN = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass(frozen=True)
class Origin:
    """Where a program's sources are: a name for messages, the folder, and the ``shared`` files of the
    folder above; and the kind of the cache that gets the program."""

    name: str
    folder: Path
    shared: tuple[str, ...] = ()
    cached: str = "programs"


@dataclass(frozen=True)
class Built:
    """What one build made for one architecture: ``programs``, and for a build command ``data``, the folder's
    other files as it left them; both by their paths in the folder. ``warnings`` is all that the compiler or
    the command wrote; ``notes`` say what isolab did otherwise than the user may expect."""

    programs: Mapping[str, Path]
    data: Mapping[str, Path]
    warnings: str = ""
    notes: tuple[str, ...] = ()

    def distinct(self) -> tuple[str, ...]:
        """The programs without copies of another, as ``make install`` makes them: of equal ones, the one with
        the shortest path."""
        kept: dict[str, str] = {}
        for path in sorted(self.programs, key=lambda path: (path.count("/"), path)):
            kept.setdefault(digest_of(self.programs[path]), path)
        return tuple(sorted(kept.values()))


def build_exercise(
    exercise: LoadedExercise, arch: Arch, archives: Archives, deadline: Deadline, *, poisoned: bool = False
) -> Mapping[str, Path]:
    """The programs of an exercise by file name, cached or compiled now, except those compiled in the
    machine. ``poisoned``: those with a student's code have memory that is not zero.

    Raises BuildError with the compiler's output (WorkError for a student's sources), ImageError,
    TimedOut, Interrupted.
    """
    if exercise.built is not None:
        if arch.name not in exercise.built:  # built with the other C library only
            raise BuildError(f"does not compile for {arch.name}")
        return exercise.built[arch.name]
    origin = origin_of(exercise)
    programs: dict[str, Path] = {}
    for build in exercise.spec.build:
        if build.where == "controller":
            made = built(exercise, origin, build, arch, archives, deadline, poisoned=poisoned)
            programs[build.program] = _the_program(build, made, arch)
    return programs


def warnings_of(programs: Mapping[str, Path]) -> str:
    """What the compiler or the build commands wrote about these programs of ``build_exercise``."""
    places = dict.fromkeys(
        place for path in programs.values() if (place := cache.folder_of(path)) is not None
    )
    said = (str(cache.meta(place).get("warnings", "")).strip() for place in places)
    return "\n".join(words for words in said if words)


def _the_program(build: Build, made: Built, arch: Arch) -> Path:
    """The program that a build is to leave. Raises BuildError if it left no such, or several."""
    if not build.command:
        return made.programs[build.program]
    if build.output and build.output in {**made.programs, **made.data}:
        return {**made.programs, **made.data}[build.output]
    programs = made.distinct()
    if len(programs) != 1 or build.output:
        found = ", ".join(programs)
        what = f"`{build.output}`" if build.output else "exactly one program"
        raise BuildError(f"`{build.command}` did not build {what} for {arch.name} (found: {found})")
    return made.programs[programs[0]]


def origin_of(exercise: LoadedExercise) -> Origin:
    """Where an exercise's sources are. Raises BuildError if a shared file is missing."""
    try:
        shared = shared_files(exercise.folder, exercise.spec.shares)
        return Origin(exercise.name, exercise.folder.resolve(), shared, exercise.cached)
    except FileNotFoundError as missing:
        raise BuildError(f"{exercise.name}: shared file {ABOVE}{missing} not found") from None
    except ValueError as problem:
        raise BuildError(f"{exercise.name}: {ABOVE}{problem}") from None


def built(
    exercise: LoadedExercise,
    origin: Origin,
    build: Build,
    arch: Arch,
    archives: Archives,
    deadline: Deadline,
    *,
    poisoned: bool = False,
) -> Built:
    """What one build of an exercise makes for an architecture. Raises as ``build_exercise``."""
    theirs, arch = _is_students(exercise, origin, build), arch.linked_with(exercise.spec.libc)
    foreign = _Foreign(_kept_back(exercise), poisoned) if theirs else None
    try:
        return _build(origin, build, arch, archives, deadline, foreign)
    except BuildError as problem:
        if not theirs:
            raise
        raise WorkError(problem.summary, words=problem.words, hint=problem.hint) from None


def build_program(source: Path, arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    """Compile one of isolab's own programs from one source, or take it from the cache. Raises as
    ``build_exercise``."""
    origin, wanted = Origin(source.name, source.parent), Build(sources=[source.name])
    return _build(origin, wanted, arch, archives, deadline).programs[wanted.program]


@dataclass(frozen=True)
class _Foreign:
    """Sources that are untrusted: they may include only the exercise's files, and of these not what is
    ``kept_back``, which are paths in its folder; those that end in a slash are folders."""

    kept_back: frozenset[str] = frozenset()
    poisoned: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """What of this decides how a program comes out."""
        return untrusted.VERSION, sorted(self.kept_back), *(poison.key() if self.poisoned else ())

    def sees(self, source: Path, files: Sequence[Path], folder: Path) -> list[Path]:
        """The files that a source may include: one that is kept back itself, all."""
        everything = self._is_ours(source, folder)
        return [
            Path(os.path.normpath(path)) for path in files if everything or not self._is_ours(path, folder)
        ]

    def _is_ours(self, path: Path, folder: Path) -> bool:
        name = os.path.relpath(path, folder)
        return any(name == one or (one.endswith("/") and name.startswith(one)) for one in self.kept_back)


def _is_students(exercise: LoadedExercise, origin: Origin, build: Build) -> bool:
    """Whether a program has a student's code in it: it is built from their file, or a source includes one."""
    if exercise.spec.is_students(build) or exercise.spec.student is None or build.command:
        return exercise.spec.is_students(build)
    named = [origin.folder / name for name in build.sources]
    theirs = {origin.folder / name for name in exercise.spec.student.files}
    read = included(named, build.flags, origin.folder, inside=True)
    return any(Path(os.path.normpath(path)) in theirs for path in read)


def _kept_back(exercise: LoadedExercise) -> frozenset[str]:
    """The files of the hidden tests, which a student's own source must not include, and their folders."""
    hidden, public = exercise.hidden, exercise.public.spec
    if hidden is None:
        return frozenset()
    seen = {*public.files, *(name for build in public.build for name in build.sources)}
    names = {*hidden.files, *(name for build in hidden.build for name in build.sources)} - seen
    inside = {name for name in names if not name.startswith(ABOVE)}
    return frozenset({*inside, *(f"{name.rpartition('/')[0]}/" for name in inside if "/" in name)})


def _build(
    origin: Origin,
    wanted: Build,
    arch: Arch,
    archives: Archives,
    deadline: Deadline,
    foreign: _Foreign | None = None,
) -> Built:
    """Build a program, or take it from the cache."""
    found = inputs(origin, wanted, foreign=foreign is not None)
    content = [(os.path.relpath(p, origin.folder), os.access(p, os.X_OK), digest_of(p)) for p in found]
    cxx = any(path.suffix in CXX_SUFFIXES for path in found)
    key = cache.digest(
        VERSION,
        _settings(wanted),
        arch.toolchain,
        (PROGRAM_FLAGS, CXX_FLAGS, CXX_CONFIGURATION, WARNINGS),
        compiler_version(),
        content,
        *(foreign.key if foreign else ()),
    )
    # The name is only for people who look into the cache; a file's may hold any bytes and be long.
    name = f"{_PLAIN.sub('_', wanted.program)[:64]}-{arch.name}-{key}"

    def compile_now(target: Path) -> dict[str, Any]:
        libraries = _libraries(arch, archives, deadline, cxx=cxx)
        if wanted.command:
            host = libraries
            if arch != host_arch():
                host = _libraries(host_arch(), archives, deadline, cxx=False)
            work = FolderBuild(origin.folder, wanted.command, origin.shared)
            return build_folder(work, arch, libraries, host, target, deadline)
        way = _CompileWay()
        if foreign is not None:
            way = _CompileWay(partial(foreign.sees, files=found, folder=origin.folder))
        if foreign is not None and foreign.poisoned:
            first = (*poison.LINKER_FLAGS, poison.library(arch, libraries.toolchain, deadline))
            way = replace(way, flags=poison.FLAGS, first=first)
        words = _compile(origin, wanted, arch, libraries, target / FILES, deadline, way)
        return {"arch": arch.name, "programs": [wanted.program], "warnings": words}

    place = cache.make(origin.cached, name, compile_now, deadline)
    facts = cache.meta(place)
    files = place / FILES
    return Built(
        {path: files / path for path in facts["programs"]},
        {path: files / path for path in facts.get("data", ())},
        facts["warnings"],
        tuple(facts.get("notes", ())),
    )


@dataclass(frozen=True)
class _CompileWay:
    """How sources are compiled, where that is not the usual way: see ``compile_program``."""

    visible: untrusted.Visible | None = None
    flags: tuple[str, ...] = ()
    first: tuple[str | Path, ...] = ()


def _compile(
    origin: Origin,
    wanted: Build,
    arch: Arch,
    libraries: Libraries,
    place: Path,
    deadline: Deadline,
    way: _CompileWay,
) -> str:
    """Compile a program from its sources into the folder ``place``; returns the compiler's warnings."""
    (place / wanted.program).parent.mkdir(parents=True)
    sources = [origin.folder / source for source in wanted.sources]
    shorter = libraries.short_names()
    try:
        words = compile_program(
            arch,
            libraries.toolchain,
            sources,
            (*wanted.flags, *way.flags),
            place / wanted.program,
            deadline,
            way.visible,
            standard=PROGRAM_FLAGS,
            cxx=libraries.cxx,
            first=way.first,
        )
    except BuildError as problem:
        words = shortened(problem.words, shorter)
        hint = problem.hint or explained(words, BuiltBefore(), arch)
        if way.visible is not None and "file not found" in words:
            hint = "sources may include the exercise's own files and the system's headers"
        raise BuildError(problem.summary, words=words, hint=hint) from None
    return shortened(words, shorter)


def _settings(wanted: Build) -> tuple[object, ...]:
    """What of a build decides what it makes. A command sees PATH, and the tools in front of it."""
    if wanted.command:
        return wanted.command, os.environ.get("PATH"), makefile_tools.VERSION
    return wanted.sources, wanted.flags, wanted.program


def _libraries(arch: Arch, archives: Archives, deadline: Deadline, *, cxx: bool) -> Libraries:
    toolchain = _tools(arch, archives, deadline)
    plus = cplusplus.library(arch, toolchain, deadline) if cxx else None
    return Libraries(toolchain, plus, arch.toolchain.library)


def _tools(arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    """The toolchain; from the previous release if the mirror lacks packages of this one. Either will
    do, since programs are linked statically."""
    try:
        return prepare(arch, archives.suite(arch.suite), deadline)
    except NotOnMirror:
        if arch.former is None:
            raise
        return prepare(arch.former, archives.suite(arch.former.suite), deadline)


def inputs(origin: Origin, wanted: Build, *, foreign: bool = False) -> list[Path]:
    """The input files that determine a program's cache key.

    A command may read anything in its folder. Sources may include what they name, and headers at most one
    folder down, since the folder may be somebody's home. Shared files are inputs of everything compiled on
    the controller. Of what ``foreign`` sources include, only files in the folder count. Raises BuildError if
    a named file is missing, or if a command's folder is too large.
    """
    folder = origin.folder
    above = [] if wanted.where == "guest" else _above(origin)
    named = [folder / source for source in wanted.sources if not source.startswith(ABOVE)]
    for path in [*named, *above]:
        if not path.is_file():
            raise BuildError(f"{origin.name}: file {os.path.relpath(path, folder)} not found")
    if wanted.command:
        near = _all_files(origin.name, folder)
    else:
        beside = (*folder.glob("*.[ch]"), *folder.glob("*/*.h"))
        near = [path for path in beside if path.is_file() and os.access(path, os.R_OK)]
        if wanted.where != "guest":
            near += included(named, wanted.flags, folder, inside=foreign)
    return sorted({*near, *named, *above})


def _all_files(name: str, folder: Path) -> list[Path]:
    """The files of a folder that a command builds, but not its history."""
    found, total = [], 0
    for entry in entries(folder, lambda _, names: {".git"} & set(names)):
        if not entry.folder and not entry.left_out:
            found.append(folder / entry.path)
            total += found[-1].stat().st_blocks * 512
        if total > MOST_BYTES or len(found) > MOST_FILES:
            raise BuildError(
                f"{name}: {folder} is too large to be copied and built for each architecture "
                f"(limits: {MOST_BYTES // 2**30} GiB, {MOST_FILES} files)",
                hint="name the folder of the program itself",
            )
    return found


def _above(origin: Origin) -> list[Path]:
    return [origin.folder.parent / name for name in origin.shared]
