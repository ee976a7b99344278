"""Mistakes in an exercise's student files and hidden tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import Problem
from orchestrator.host.confine import confined
from orchestrator.labfile.check_exercise import exercise_problems, shared_sources
from orchestrator.labfile.messages import validate
from orchestrator.labfile.models import Build
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath

SKELETON, SOLUTION, ALTERNATIVES, WRONG = "skeleton", "solution", "alternatives", "wrong"
"""Folders of an exercise: what a student starts from, the reference solution, right ones of another design,
and wrong ones by kind."""


def student_files(document: Document) -> list[str]:
    """The files a student writes, as far as this exercise file is readable."""
    student = _mapping(document.data).get("student")
    return _texts(_mapping(student).get("files"))


def work_problems(document: Document, folder: Path) -> Iterator[Problem]:
    """Report student files that no build uses, that are listed twice, or that have no skeleton."""
    data = _mapping(document.data)
    names = student_files(document)
    if names:
        yield from _command_problems(document)
    yield from _poisoned_problems(document)
    in_machine = any("command" in build for _, build in _builds(data))
    sources = {name for _, build in _builds(data) for name in _texts(build.get("sources"))}
    sources |= set(_texts(data.get("files")))
    listed = _mapping(data.get("student")).get("files")
    listed = listed if isinstance(listed, list) else []
    for index, name in enumerate(listed):
        path = ("student", "files", index)
        if not isinstance(name, str):
            continue
        if name in listed[:index]:
            yield document.problem(path, f"{quote(name)} is listed twice")
        if not in_machine and not name.endswith(".h") and name not in sources:
            near = did_you_mean(name, sources - set(names))
            yield document.problem(path, f"no build uses {quote(name)}", near)
        yield from _begun(document, path, folder, name)


def hidden_problems(document: Document, exercise: Document, folder: Path) -> Iterator[Problem]:
    """Report mistakes in an exercise's hidden tests: files, programs, names, wrong solutions."""
    names, data, visible = student_files(exercise), _mapping(document.data), _mapping(exercise.data)
    yield from exercise_problems(document, folder, names, shared_sources(exercise, folder))
    yield from _command_problems(document)
    if visible.get("poisoned") is True:
        yield from _poisoned_builds(document)
    if "student" not in visible:
        yield document.problem(
            (), f"hidden tests without `student:` in {exercise.file}", "add `student:` there"
        )
    built = {program: "exercise.yaml" for _, program in _programs(visible)}
    for path, program in _programs(data):
        if program in built:
            yield document.problem(path, f"{quote(program)} is also built by {built[program]}")
        built[program] = "another entry"
    checked = {name for _, name in (*_checked(data), *_checked(visible))}
    yield from _wrong_problems(document, checked, folder, names)
    for rule, told_by in _mapping(data.get("rules")).items():
        yield from _unchecked(document, ("rules", rule), told_by, checked)


def _begun(document: Document, path: DataPath, folder: Path, name: str) -> Iterator[Problem]:
    """Report where a student's file is missing. An exercise without a skeleton contains a solution itself."""
    places = [place for place in (SKELETON, SOLUTION) if (folder / place).is_dir()]
    if SKELETON in places and (folder / name).exists():
        words = f"{quote(name)} is a student's file: move it to {SKELETON}/"
        yield document.problem(path, words)
    if SKELETON not in places and not _is_there(folder, name):
        yield document.problem(path, f"no file {quote(f'{SKELETON}/{name}')} to start from")
    for place in places:
        if not _is_there(folder / place, name):
            yield document.problem(path, f"no file {quote(f'{place}/{name}')}")


def _wrong_problems(
    document: Document, checked: set[str], folder: Path, names: list[str]
) -> Iterator[Problem]:
    kinds = _mapping(_mapping(document.data).get("wrong"))
    there = {place.name for place in (folder / WRONG).glob("*") if place.is_dir()}
    for kind, misses in kinds.items():
        if kind not in there:
            near = did_you_mean(kind, there - set(kinds))
            yield document.problem(("wrong", kind), f"no folder {quote(f'{WRONG}/{kind}')}", near, key=True)
        if kind in there:
            yield from _held_problems(document, kind, folder, names)
        yield from _unchecked(document, ("wrong", kind), misses, checked)
    for kind in sorted(there - set(kinds)):
        yield document.problem(
            ("wrong",), f"`wrong:` has no entry for the folder {quote(f'{WRONG}/{kind}')}", key=True
        )


def _unchecked(document: Document, path: DataPath, names: object, checked: set[str]) -> Iterator[Problem]:
    """Report observations in a list that no check is about."""
    for index, name in enumerate(names if isinstance(names, list) else []):
        if isinstance(name, str) and name not in checked:
            words = f"no check tests {quote(name)}"
            yield document.problem((*path, index), words, did_you_mean(name, checked))


def _held_problems(document: Document, kind: str, folder: Path, names: list[str]) -> Iterator[Problem]:
    """A wrong solution may omit files that equal the reference's. If it does, a file of another name is
    a misspelt one: the reference's file would run in its place."""
    place, path = folder / WRONG / kind, ("wrong", kind)
    missing = [name for name in names if not _is_there(place, name)]
    if not (folder / SOLUTION).is_dir() or missing == names:
        for name in missing:
            yield document.problem(path, f"no file {quote(f'{WRONG}/{kind}/{name}')}", key=True)
    elif missing:
        held = [str(file.relative_to(place)) for file in sorted(place.rglob("*")) if not file.is_dir()]
        for name in held:
            if name not in names:
                words = f"{quote(f'{WRONG}/{kind}/{name}')} is not a file that students write"
                yield document.problem(path, words, did_you_mean(name, missing), key=True)


def _is_there(folder: Path, name: str) -> bool:
    with contextlib.suppress(ValueError, FileNotFoundError):
        return confined(folder, name).is_file()
    return False


def _command_problems(document: Document) -> Iterator[Problem]:
    """Report build commands that would handle a student's files on the controller: one of these may be
    a makefile, and what a command's compiler includes cannot be checked from here."""
    for path, build in _builds(_mapping(document.data)):
        if "command" in build and build.get("in") != "guest":
            words = "a build command on this host would handle a student's files"
            yield document.problem((*path, "command"), words, "use `sources:`, or `in: guest`")


def _poisoned_problems(document: Document) -> Iterator[Problem]:
    """Report a ``poisoned:`` that cannot be: where nothing of a student's is compiled here, and where the
    steps cannot be run twice."""
    data = _mapping(document.data)
    if data.get("poisoned") is not True:
        return
    names = student_files(document)
    if not names:
        yield document.problem(("poisoned",), "only a student's programs are poisoned", "add `student:`")
    theirs = [build for _, build in _builds(data) if {*_texts(build.get("sources"))} & {*names}]
    headers = any(name.endswith(".h") for name in names)
    if names and not theirs and not headers:
        words = "no program is compiled from a student's file"
        yield document.problem(("poisoned",), words, "list one under `build: {sources: […]}`")
    yield from _poisoned_builds(document)
    for key, where in (("canaries", ("canaries",)), ("network", ("needs", "network"))):
        if data.get("canaries") if key == "canaries" else _mapping(data.get("needs")).get("network"):
            words = f"steps with `{key}` run only once, and `poisoned: true` runs them twice"
            yield document.problem(where, words)


def _poisoned_builds(document: Document) -> Iterator[Problem]:
    for path, build in _builds(_mapping(document.data)):
        if "command" in build or build.get("in") == "guest":
            words = "poisoned programs are compiled on the controller, from `sources:`"
            place = (*path, "command" if "command" in build else "in")
            yield document.problem(place, words, "or leave out `poisoned: true`")


def _builds(data: dict[str, Any]) -> Iterator[tuple[DataPath, dict[str, Any]]]:
    builds = data.get("build")
    if isinstance(builds, dict):
        yield ("build",), builds
    for index, build in enumerate(builds if isinstance(builds, list) else []):
        if isinstance(build, dict):
            yield ("build", index), build


def _programs(data: dict[str, Any]) -> Iterator[tuple[DataPath, str]]:
    for path, build in _builds(data):
        with contextlib.suppress(ValidationError):
            yield path, validate(Build, build).program


def _checked(data: dict[str, Any]) -> Iterator[tuple[int, str]]:
    checks = data.get("checks")
    for index, check in enumerate(checks if isinstance(checks, list) else []):
        name = _mapping(check).get("that")
        if isinstance(name, str):
            yield index, name


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
