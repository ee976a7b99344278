"""Mistakes in the commands of an exercise: shell syntax, missing programs, scripts that cannot run."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import Problem
from orchestrator.host.confine import confined
from orchestrator.labfile.messages import validate
from orchestrator.labfile.models import Build, Exercise, Hidden
from orchestrator.labfile.shell_words import BUILTINS, shell_syntax
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath

SKELETON = "skeleton"
INTERPRETERS = frozenset(
    {"sh", "ash", "bash", "dash", "ksh", "zsh", "python", "python3", "perl", "ruby", "lua", "node", "tclsh"}
)
"""Programs whose first argument is usually a script."""


@dataclass(frozen=True)
class Available:
    """What the commands of an exercise may run: programs it builds, files it copies, and files that a
    student writes. ``complete`` is False where a build makes programs of names unknown here, ``sound`` where
    a build is itself mistaken: what follows from that is no mistake of its own."""

    programs: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    students: frozenset[str] = frozenset()
    complete: bool = True
    sound: bool = True

    def with_those_of(self, more: Available) -> Available:
        """These, and what another file of the exercise adds."""
        return Available(
            self.programs | more.programs,
            self.files | more.files,
            self.students | more.students,
            self.complete and more.complete,
            self.sound and more.sound,
        )


def available(document: Document, problems: Collection[Problem] = ()) -> Available:
    """What an exercise file makes available, as far as it is readable; ``problems`` are those of its builds
    and files."""
    data = document.data if isinstance(document.data, dict) else {}
    student = data.get("student")
    known = {*Exercise.model_fields, *Hidden.model_fields}
    programs, complete, sound = set(), True, not problems and not data.keys() - known
    for build in builds_of(data):
        complete = complete and not ("command" in build and not isinstance(build.get("output"), str))
        try:
            programs.add(validate(Build, build).program)
        except ValidationError:
            sound = False
    theirs = _texts(student.get("files")) if isinstance(student, dict) else []
    files = frozenset(_texts(data.get("files")))
    return Available(frozenset(programs), files, frozenset(theirs), complete, sound)


def builds_of(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The builds in the data of an exercise file that are mappings."""
    builds = data.get("build")
    for build in builds if isinstance(builds, list) else [builds]:
        if isinstance(build, dict):
            yield build


def command_problems(document: Document, folder: Path, there: Available) -> Iterator[Problem]:
    """Report commands that only a shell understands, that run what is not there or what cannot run."""
    data = document.data if isinstance(document.data, dict) else {}
    run = data.get("run")
    if isinstance(run, str):
        yield from _CommandCheck(document, ("run",), folder, there).problems(run)
    for index, step in enumerate(run if isinstance(run, list) else []):
        if isinstance(step, dict):
            yield from _CommandCheck(document, ("run", index, "run"), folder, there, index).problems(
                step.get("run")
            )
            yield from _stdin_problems(document, ("run", index, "stdin"), folder, step.get("stdin"))


@dataclass(frozen=True)
class _CommandCheck:
    """Checks one command; ``number`` is how many steps come before it: they may make files."""

    document: Document
    path: DataPath
    folder: Path
    there: Available
    number: int = field(default=0)

    def problems(self, command: object) -> Iterator[Problem]:
        if not isinstance(command, str) or not command:
            return
        try:
            words = shlex.split(command)
        except ValueError as error:
            yield self._problem(f"cannot parse the command: {str(error).lower()}")
            return
        if not words:
            yield self._problem("expected a command")
        elif found := shell_syntax(command):
            yield self._of_a_shell(*found)
        elif words[0] in BUILTINS:
            hint = f'run a shell: sh -c "{words[0]} …"'
            yield self._problem(f"{quote(words[0])} is a builtin of shells, and no shell runs", hint)
        elif self.there.sound:
            yield from self._program(words[0])
            yield from self._script(words)

    def _of_a_shell(self, text: str, what: str) -> Problem:
        advice = {
            "<": "use `stdin: FILE`",
            "&&": "write several steps: the next runs only if this one succeeds",
            ";": "write several steps",
            "\n": "write several steps",
        }.get(text, "to run a shell, write sh -c '…'; quote it if it is meant as it is")
        return self._problem(f"{quote(text)} {what}, and no shell runs", advice)

    def _program(self, program: str) -> Iterator[Problem]:
        """Report a program of the exercise's own that is not there or cannot run."""
        if not program.startswith("./"):
            if program in self.there.programs:
                hint = f"write './{program}'"
                yield self._problem(f"{quote(program)} is a program of this exercise", hint)
            return
        name = program.removeprefix("./")
        if name in self.there.programs:
            return
        if name in self.there.files | self.there.students:
            yield from self._executable(name)
            return
        own = self.there.programs | self.there.files | self.there.students
        near = did_you_mean(program, [f"./{each}" for each in own])
        if near or (self.there.complete and not self.number):
            known = ", ".join(f"./{each}" for each in sorted(self.there.programs)) or "none"
            words = f"no program {quote(program)}: no build makes it, and `files:` does not list it"
            yield self._problem(words, near or f"programs: {known}")

    def _executable(self, name: str) -> Iterator[Problem]:
        if name.endswith((".c", ".h")):
            words = f"{quote(name)} is a source, not a program"
            yield self._problem(words, "list it under `build: {sources: […]}` and run what that makes")
            return
        file = self._file(name)
        if file is None:
            return  # reported where the file is listed
        if not file.stat().st_mode & 0o111:
            advice = f"chmod +x {shlex.quote(str(file))}, or run it by `sh {name}`"
            yield self._problem(f"{quote(name)} is not executable", advice)
        elif not _names_its_format(file):
            words = f"{quote(name)} is neither a program nor a script: its first line names no interpreter"
            yield self._problem(words, "begin it with #!/bin/sh")

    def _script(self, words: list[str]) -> Iterator[Problem]:
        """Report a script that an interpreter is to read and that is not copied."""
        name = words[1].removeprefix("./") if len(words) > 1 else "-"
        if words[0].rsplit("/", 1)[-1] not in INTERPRETERS or name.startswith(("-", "/")) or self.number:
            return
        own = self.there.files | self.there.students | self.there.programs
        if name not in own and self.there.complete:
            message = f"{quote(name)} is not in the machine: `files:` does not list it"
            yield self._problem(message, did_you_mean(name, own) or f"add it: files: [{name}]")

    def _file(self, name: str) -> Path | None:
        for place in (self.folder / SKELETON, self.folder):
            with contextlib.suppress(ValueError, FileNotFoundError):
                if (file := confined(place, name)).is_file():
                    return file
        return None

    def _problem(self, message: str, suggestion: str = "") -> Problem:
        return self.document.problem(self.path, message, suggestion)


def _names_its_format(file: Path) -> bool:
    """Whether a kernel knows how to run a file: an ELF program, elf(5), or a script, execve(2)."""
    with file.open("rb") as opened:
        return opened.read(4).startswith((b"\x7fELF", b"#!"))


def _stdin_problems(document: Document, path: DataPath, folder: Path, name: object) -> Iterator[Problem]:
    if not isinstance(name, str):
        return
    try:
        if not confined(folder, name).is_file():
            yield document.problem(path, f"{quote(name)} is not a file")
    except FileNotFoundError:
        there = [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]
        yield document.problem(path, f"no file {quote(name)}", did_you_mean(name, there))
    except ValueError as error:
        yield document.problem(path, f"{quote(name)} {error}")


def _texts(value: object) -> Collection[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
