"""Run a build command in a copy of a folder, for one architecture, and keep what it makes.

The copy is without what a build on this host left there, so that everything is made for the machine's
architecture.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile.built_before import CMAKE_FOLDER, BuiltBefore, remove_what_make_makes
from orchestrator.compile.elf import Binary, binary
from orchestrator.compile.explain import explained, shortened
from orchestrator.compile.makefile_tools import Libraries, Tools, write_tools
from orchestrator.deadline import Deadline
from orchestrator.errors import BuildError, TimedOut
from orchestrator.formatting import counted
from orchestrator.host import process
from orchestrator.labfile.writable_copy import FolderEntry, entries, writable_copy

COMMAND_SECONDS = 600.0
DATA_BYTES, DATA_FILES = 16 * 2**20, 1000
"""The most of a folder's data that goes to a machine with the program."""
FILES = "files"
"""The folder, in a build's place in the cache, with what was made."""
_NAMED = 6
"""How many files a note names."""


@dataclass(frozen=True)
class FolderBuild:
    """What to build: the folder, the command, and the name in messages. ``beside`` are the files that the
    folder above shares, by their paths there."""

    folder: Path
    command: str
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class _BuildAttempt:
    """One run of the command: its copy of the folder, what it wrote, and whether it succeeded."""

    copy: Path
    words: str
    good: bool
    left_out: tuple[FolderEntry, ...]
    before: BuiltBefore


def build_folder(
    work: FolderBuild, arch: Arch, libraries: Libraries, host: Libraries, target: Path, deadline: Deadline
) -> dict[str, Any]:
    """Build the folder and keep programs and data in ``target / FILES``; returns facts about them: the
    ``programs`` and the ``data`` by their paths, the ``warnings`` (all that was written), and ``notes``.

    Raises BuildError if the command fails or makes no program for the architecture.
    """
    copy, second_copy = target / "source" / "exercise", target / "again" / "exercise"
    tools = write_tools(arch, libraries, host, target / "tools", (copy, second_copy))
    attempt = _attempt(work, tools, copy, deadline, again=False)
    notes: list[str] = []
    if not attempt.good and attempt.before.fits(arch.name):
        second = _attempt(work, tools, second_copy, deadline, again=True)
        if second.good:
            fits = attempt.before.fits(arch.name)
            kept = _list([name for name in fits if name in attempt.words] or fits)
            notes.append(f"used as it is, for nothing builds it anew: {kept}")
            attempt = second
    shorter = {attempt.copy: ".", tools.folder: "isolab", **libraries.short_names()}
    words = shortened(attempt.words, shorter)
    if not attempt.good:
        hint = explained(words, attempt.before, arch)
        raise BuildError(f"`{work.command}` failed for {arch.name}", words=words, hint=hint)
    programs, data, more = _keep(attempt, tools, arch, work.command, words, target / FILES)
    notes += [*_notes(attempt, tools), *more]
    for done in ("tools", "source", "again"):
        shutil.rmtree(target / done, ignore_errors=True)
    return {"arch": arch.name, "programs": programs, "data": data, "warnings": words, "notes": notes}


def _attempt(
    work: FolderBuild, tools: Tools, copy: Path, deadline: Deadline, *, again: bool
) -> _BuildAttempt:
    """Run the command in a new copy. The second attempt keeps what was built before for this architecture:
    there may be a library without its sources."""
    before = BuiltBefore(tools.environment["CROSS_ARCH"] if again else "")
    left_out = writable_copy(work.folder, copy, before.ignored)
    for name in work.beside:
        (copy.parent / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work.folder.parent / name, copy.parent / name)
    if not again:
        before = before.with_removed(remove_what_make_makes(work.folder, copy, tools.environment, deadline))
    limit = deadline.within(COMMAND_SECONDS)
    command = ["sh", "-c", work.command]
    try:
        done = process.run(command, deadline=limit, cwd=copy, env=tools.environment, check=False)
    except TimedOut:
        deadline.check(f"`{work.command}`")
        raise BuildError(f"`{work.command}` took longer than {COMMAND_SECONDS:.0f} s") from None
    words = (done.stdout + done.stderr).decode(errors="replace")
    return _BuildAttempt(copy, words, done.code == 0, left_out, before)


def _notes(attempt: _BuildAttempt, tools: Tools) -> list[str]:
    notes = []
    if tools.called():
        names = ", ".join(tools.called())
        notes.append(f"the build calls {names} by name: it got isolab's compiler for the architecture")
    if shared := tools.in_place_of_shared():
        notes.append(f"linked statically, as programs here are: {', '.join(f'{name}.so' for name in shared)}")
    if attempt.before.binaries:
        notes.append(f"built before, and made anew: {_list([b.path for b in attempt.before.binaries])}")
    notes += [f"left out: {e.path}, {e.left_out}" for e in attempt.left_out if not e.is_lock]
    if attempt.before.configured:
        notes.append(
            "the folder was configured for this host, and config.h may say so: "
            "build with --build './configure --host=$CROSS_TRIPLE && make'"
        )
    return notes


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _keep(
    attempt: _BuildAttempt, tools: Tools, arch: Arch, command: str, words: str, place: Path
) -> tuple[list[str], list[str], list[str]]:
    """Move programs and data out of the copy; returns their paths, and notes on data that stays."""
    copy, found = attempt.copy, {}
    data: list[str] = []
    for entry in entries(copy):
        if entry.folder or entry.left_out or _is_scrap(entry.path):
            continue
        what = binary(copy / entry.path)
        if what is None:
            data.append(entry.path)
        elif what.kind == "program" and (copy / entry.path) not in tools.for_this_host():
            found[entry.path] = what
    programs = [path for path, what in found.items() if _starts(what, arch)]
    if not programs:
        raise BuildError(_no_program(found, arch, command), words=words)
    going, notes = _bounded(copy, data)
    for path in (*programs, *going):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).rename(place / path)
    return programs, going, notes


def _is_scrap(path: str) -> bool:
    """Whether a build keeps a file for itself: in a hidden folder or one of CMake's."""
    return any(part.startswith(".") or part == CMAKE_FOLDER for part in path.split("/")[:-1])


def _starts(what: Binary, arch: Arch) -> bool:
    return what.arch == arch.name and not what.loader


def _no_program(found: Mapping[str, Binary], arch: Arch, command: str) -> str:
    for path, what in found.items():
        if what.arch != arch.name:
            return (
                f"`{path}` was built for {what.arch}, not {arch.name}: `{command}` uses a compiler of this "
                "host by its path; let it use $(CC)"
            )
        return (
            f"`{path}` was linked with this host's C library, which machines lack: `{command}` uses a "
            "compiler of this host by its path; let it use $(CC)"
        )
    return f"`{command}` made no program for {arch.name}"


def _bounded(copy: Path, data: Sequence[str]) -> tuple[list[str], list[str]]:
    """The data that goes along, the smallest first, and a note on what does not."""
    sizes = {path: (copy / path).stat().st_size for path in data}
    going: list[str] = []
    total = 0
    for path in sorted(data, key=lambda path: sizes[path]):
        total += sizes[path]
        if total > DATA_BYTES or len(going) == DATA_FILES:
            break
        going.append(path)
    stays = [path for path in data if path not in set(going)]
    if not stays:
        return sorted(going), []
    limits = f"{DATA_BYTES // 2**20} MiB and {DATA_FILES} files"
    return sorted(going), [
        f"{counted(len(stays), 'file')} did not go to the machines, the limits being {limits}: {_list(stays)}"
    ]
