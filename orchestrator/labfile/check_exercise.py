"""Mistakes in an exercise that no single value shows: missing files, commands that do not split."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.host.confine import confined
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath


def exercise_problems(document: Document, folder: Path, spare: Collection[str] = ()) -> Iterator[Problem]:
    """Files an exercise names that are missing or outside, and commands that do not split.

    ``spare`` are files that need not be there: a student writes them.
    """
    data = document.data if isinstance(document.data, dict) else {}
    yield from _missing_files(document, folder, ("files",), data.get("files"), spare)
    builds = data.get("build")
    if isinstance(builds, dict):
        yield from _build_problems(document, folder, ("build",), builds, spare)
    for index, build in enumerate(builds if isinstance(builds, list) else []):
        yield from _build_problems(document, folder, ("build", index), build, spare)
    run = data.get("run")
    if isinstance(run, str):
        yield from _command_problems(document, ("run",), run)
    for index, step in enumerate(run if isinstance(run, list) else []):
        command = step.get("run") if isinstance(step, dict) else None
        yield from _command_problems(document, ("run", index, "run"), command)


def _build_problems(
    document: Document, folder: Path, path: DataPath, build: object, spare: Collection[str]
) -> Iterator[Problem]:
    if not isinstance(build, dict):
        return
    yield from _missing_files(document, folder, (*path, "sources"), build.get("sources"), spare)
    yield from _missing_files(document, folder.parent, (*path, "headers"), build.get("headers"), ())
    output = build.get("output")
    if isinstance(output, str) and (output in ("", ".", "..") or "/" in output or "\0" in output):
        yield document.problem((*path, "output"), "expected the name of a file, without a folder")


def _missing_files(
    document: Document, folder: Path, path: DataPath, names: object, spare: Collection[str]
) -> Iterator[Problem]:
    for index, name in enumerate(names if isinstance(names, list) else []):
        if not isinstance(name, str) or name in spare:
            continue
        try:
            if confined(folder, name).is_file():
                continue
            yield document.problem((*path, index), f"{quote(name)} is not a file")
        except FileNotFoundError:
            there = [file.name for file in folder.iterdir() if file.is_file()]
            yield document.problem((*path, index), f"no file {quote(name)}", did_you_mean(name, there))
        except ValueError as error:
            yield document.problem((*path, index), f"{quote(name)} {error}")


def _command_problems(document: Document, path: DataPath, command: object) -> Iterator[Problem]:
    if not isinstance(command, str) or not command:
        return
    try:
        if shlex.split(command):
            return
        yield document.problem(path, "expected a command")
    except ValueError as error:
        yield document.problem(path, f"the command does not split into words: {str(error).lower()}")
