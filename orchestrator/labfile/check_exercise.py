"""Exercise mistakes that no single value shows: files that are missing or elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem
from orchestrator.host.confine import confined
from orchestrator.labfile.shared import ABOVE, files_of
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath


def exercise_problems(
    document: Document, folder: Path, spare: Collection[str] = (), shared: Collection[str] | None = None
) -> Iterator[Problem]:
    """Report files that are missing or outside the exercise.

    ``spare`` are files that need not exist: a student writes them. ``shared`` are the files of the
    folder above that its sources may name; None means those that this document shares.
    """
    data = document.data if isinstance(document.data, dict) else {}
    yield from _missing_files(document, folder, ("files",), data.get("files"), spare)
    yield from _shared_problems(document, folder)
    yield from _library_problems(document, data)
    shared = shared_sources(document, folder) if shared is None else shared
    builds = data.get("build")
    if isinstance(builds, dict):
        yield from _build_problems(document, folder, ("build",), builds, spare, shared)
    for index, build in enumerate(builds if isinstance(builds, list) else []):
        yield from _build_problems(document, folder, ("build", index), build, spare, shared)


def _library_problems(document: Document, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Report a choice of the C library that cannot be had, or that nothing would be linked with."""
    if data.get("libc") != "glibc":
        return
    if data.get("poisoned") is True:
        words = "programs linked with glibc cannot be poisoned: only musl's allocator can be replaced"
        yield document.problem(("libc",), words, "leave out `libc` or `poisoned`")
    given = data.get("build")
    builds = given if isinstance(given, list) else [given]
    if given and all(isinstance(build, dict) and build.get("in") == "guest" for build in builds):
        words = "libc has no effect: all programs are compiled in the machine, with its own library"
        yield document.problem(("libc",), words, "leave it out, or compile on the controller")


def shared_sources(document: Document, folder: Path) -> set[str]:
    """The files of the folder above that this exercise file shares, as sources name them."""
    found: set[str] = set()
    for _, name in _shared(document):
        with contextlib.suppress(ValueError, OSError):
            found |= {ABOVE + file for file in files_of(folder, name)}
    return found


def _shared(document: Document) -> Iterator[tuple[DataPath, str]]:
    names = document.data.get("shared") if isinstance(document.data, dict) else None
    for index, name in enumerate(names if isinstance(names, list) else []):
        if isinstance(name, str):
            yield ("shared", index), name


def _shared_problems(document: Document, folder: Path) -> Iterator[Problem]:
    for path, name in _shared(document):
        try:
            files_of(folder, name)
        except FileNotFoundError:
            there = [entry.name for entry in folder.resolve().parent.iterdir()]
            words = f"no {quote(name)} in the parent folder"
            yield document.problem(path, words, did_you_mean(name, there))
        except ValueError as error:
            yield document.problem(path, f"{quote(name)} {error}")


def _build_problems(
    document: Document,
    folder: Path,
    path: DataPath,
    build: object,
    spare: Collection[str],
    shared: Collection[str],
) -> Iterator[Problem]:
    if not isinstance(build, dict):
        return
    sources: Any = build.get("sources")
    above = [name for name in _texts(sources) if name.startswith(ABOVE)]
    for name in sorted({*above} - {*shared}):
        advice = did_you_mean(name, shared) or f"list it under `shared:`, without {ABOVE}"
        place = (*path, "sources", sources.index(name))
        yield document.problem(place, f"{quote(name)} is not shared", advice)
    yield from _missing_files(document, folder, (*path, "sources"), sources, [*spare, *above])
    yield from _missing_files(document, folder.parent, (*path, "headers"), build.get("headers"), ())
    output = build.get("output")
    if isinstance(output, str) and (output in ("", ".", "..") or "/" in output or "\0" in output):
        yield document.problem((*path, "output"), "expected a file name without a folder")


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


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
