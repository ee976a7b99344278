"""Mistakes in how an exercise uses its parameters: placeholders of none, parameters of no use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem
from orchestrator.labfile.placeholders import FILLED, Value, in_check, in_text, names_in
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath

README = "README.md"


def parameter_problems(document: Document, hidden: Document | None, folder: Path) -> Iterator[Problem]:
    """Report placeholders without a parameter, in an exercise file, its hidden tests and its README, and
    parameters that no step or check uses. A file without ``parameters:`` has no placeholders."""
    declared = _declared(document)
    if not declared:
        return
    used: set[str] = set()
    for each in filter(None, (document, hidden)):
        for path, text in _texts(each):
            for name in names_in(text):
                used.add(name)
                if name not in declared:
                    yield each.problem(path, *_unknown(name, declared))
    for name in declared:
        if name not in used:
            words = f"no step or check uses the parameter {quote(name)}"
            advice = f"write ${{{name}}} in a command, or leave the parameter out"
            yield document.problem(("parameters", name), words, advice, key=True)
    yield from _readme_problems(folder / README, declared)


def with_stand_ins(document: Document, exercise: Document) -> Document:
    """Return a file of an exercise with some value for each placeholder, to check the rest of it.
    ``exercise`` is the file with the parameters."""
    values = {name: _stand_in(how) for name, how in _declared(exercise).items()}
    data = document.data
    if not values or not isinstance(data, dict):
        return document
    run, checks = data.get("run"), data.get("checks")
    changed: dict[str, Any] = {}
    if isinstance(run, str):
        changed["run"] = _command(run)
    elif isinstance(run, list):
        changed["run"] = [
            {**step, "run": _command(step["run"])}
            if isinstance(step, dict) and isinstance(step.get("run"), str)
            else step
            for step in run
        ]
    if isinstance(checks, list):
        changed["checks"] = [
            {**one, **in_check(one, values)} if isinstance(one, dict) else one for one in checks
        ]
    return replace(document, data={**data, **changed})


def _command(text: str) -> str:
    return in_text(text, {name: "0" for name in names_in(text)})


def _declared(document: Document) -> Mapping[str, Any]:
    data = document.data if isinstance(document.data, dict) else {}
    found = data.get("parameters")
    return found if isinstance(found, dict) else {}


def _stand_in(how: Any) -> Value:
    """Return a value of the kind that a parameter has."""
    match how:
        case {"between": [int(low), *_]}:
            return low
        case {"one_of": [int() | str() as first, *_]}:
            return first
    return "0"


def _texts(document: Document) -> Iterator[tuple[DataPath, Any]]:
    """Yield what may have placeholders, and where it is."""
    data = document.data if isinstance(document.data, dict) else {}
    run, checks = data.get("run"), data.get("checks")
    if isinstance(run, str):
        yield ("run",), run
    for index, step in enumerate(run if isinstance(run, list) else []):
        if isinstance(step, dict):
            yield ("run", index, "run"), step.get("run")
    for index, check in enumerate(checks if isinstance(checks, list) else []):
        for key in FILLED if isinstance(check, dict) else ():
            yield ("checks", index, key), check.get(key)


def _unknown(name: str, declared: Mapping[str, Any]) -> tuple[str, str]:
    words = f"no parameter {quote(name)}"
    known = f"parameters: {', '.join(declared)}; for the characters themselves write $${{{name}}}"
    return words, did_you_mean(name, declared) or known


def _readme_problems(file: Path, declared: Mapping[str, Any]) -> Iterator[Problem]:
    """Report placeholders that are nearly a parameter. Others are a shell's variables: they stay."""
    if not file.is_file():
        return
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        for name in names_in(line):
            near = did_you_mean(name, declared)
            if name not in declared and near:
                column = line.index(f"${{{name}}}") + 1
                yield Problem(str(file), number, column, f"no parameter {quote(name)}", near)
