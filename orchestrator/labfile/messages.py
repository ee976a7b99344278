"""Translate pydantic's validation errors into readable problems with file positions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import Problem
from orchestrator.labfile.image_recipe import DIGEST_PATTERN, REFERENCE_PATTERN
from orchestrator.labfile.models import (
    EXERCISE_PATTERN,
    FOLDER_PATTERN,
    KERNEL_PATTERN,
    NAME_PATTERN,
    PARAMETER_PATTERN,
    PROGRAM_PATTERN,
)
from orchestrator.labfile.suggest import ask, did_you_mean, meant_duration, meant_size, quote
from orchestrator.labfile.yaml_document import Document, Path

Model = TypeVar("Model", bound=BaseModel)
Schema = dict[str, Any]

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "too_short": "at least one entry",
    "string_too_short": "some text",
}
_SHORTHANDS: dict[tuple[Path, str], str] = {
    (("run",), "list_type"): "a command, or a list of steps",
    (("build",), "list_type"): "a mapping with sources, or a list of such mappings",
}
_FORMS = {
    NAME_PATTERN: "a name of at most 40 lower-case letters, digits and dashes, starting with a letter",
    FOLDER_PATTERN: "the path of a folder, such as /var/tmp",
    REFERENCE_PATTERN: "an image by its digest: registry/name@sha256:… or sha256:…, 64 hexadecimal digits",
    DIGEST_PATTERN: "a SHA-256 digest: 64 hexadecimal digits",
    PARAMETER_PATTERN: "a name of at most 40 lower-case letters, digits and _, starting with a letter",
    PROGRAM_PATTERN: "the name of a program, without a folder",
    KERNEL_PATTERN: "a kernel version such as >=5.10",
    EXERCISE_PATTERN: "an exercise such as ipc/pipe-capacity, or ./name beside the lab file",
}


@dataclass(frozen=True)
class ValidatedDocument:
    """A document and the data to validate: ``data`` may have defaults merged in.

    ``origin`` maps a path in ``data`` to the path in the document where its value is written.
    """

    document: Document
    data: Any
    origin: Callable[[Path], Path] = lambda path: path


def validate(model: type[Model], data: Any) -> Model:
    """Validate ``data`` as strictly as JSON: the text "1" is not a number. Raises ValidationError."""
    return model.model_validate_json(json.dumps(data), strict=True)


def problems_of(
    error: ValidationError, model: type[BaseModel], validated: ValidatedDocument
) -> list[Problem]:
    """All errors in ``error``, translated."""
    schema = _schema_of(model)
    return [_problem(details, schema, validated) for details in error.errors(include_url=False)]


@cache
def _schema_of(model: type[BaseModel]) -> Schema:
    """The model's JSON Schema, which nobody may change: it takes a while to make."""
    return model.model_json_schema(by_alias=True)


def _problem(details: ErrorDetails, schema: Schema, validated: ValidatedDocument) -> Problem:
    kind, path = details["type"], tuple(details["loc"])
    is_key = path[-1:] == ("[key]",) or kind == "extra_forbidden"
    path = path[:-1] if path[-1:] == ("[key]",) else path
    message, suggestion = _words(details, schema, path)
    written = _written(validated.data, path)
    if kind == "missing":
        written = written[:-1]
        # A machine is known by its name; its body may be an empty {} or far below.
        is_key = len(written) == 2 and written[0] in ("machines", "shared")
    return validated.document.problem(validated.origin(written), message, suggestion, key=is_key)


def _words(details: ErrorDetails, schema: Schema, path: Path) -> tuple[str, str]:
    """Message and suggestion."""
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        known = _at(schema, path[:-1]).get("properties", {})
        return f"unknown key {quote(path[-1])}", did_you_mean(path[-1], known)
    if kind == "missing":
        inheritable = len(path) == 3 and path[0] == "machines" and "defaults" in schema["properties"]
        return f"missing key {quote(path[-1])}", "set it here or under `defaults:`" if inheritable else ""
    if kind in ("literal_error", "enum", "value_error"):
        return _wrong_value(details, _at(schema, path).get("enum", []))
    if kind == "string_pattern_mismatch":
        return _wrong_form(context["pattern"], value)
    return _expected(details, path), _conversion(kind, value)


def _expected(details: ErrorDetails, path: Path) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "greater_than_equal":
        return f"expected {context['ge']:g} or more"
    if kind == "less_than_equal":
        return f"expected {context['le']:g} or less"
    expected = _SHORTHANDS.get((path, kind)) or _EXPECTED.get(kind)
    return f"expected {expected}" if expected else details["msg"][:1].lower() + details["msg"][1:]


def _wrong_value(details: ErrorDetails, choices: list[Any]) -> tuple[str, str]:
    value = details["input"]
    if details["type"] == "value_error":
        message = str(details["ctx"]["error"])
    else:
        message = "expected one of: " + ", ".join(map(str, choices))
    if message.startswith("expected a size"):
        guess = meant_size(value)
    elif message.startswith("expected a duration such"):
        guess = meant_duration(value)
    else:
        return message, did_you_mean(value, [str(choice) for choice in choices])
    return message, ask(guess) if guess else ""


def _wrong_form(pattern: str, value: object) -> tuple[str, str]:
    form = _FORMS.get(pattern, f"text that matches {pattern}")
    text = str(value)
    if pattern == NAME_PATTERN:
        guess = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    elif pattern == PARAMETER_PATTERN:
        guess = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    elif pattern == EXERCISE_PATTERN:
        guess = re.sub(r"[^a-z0-9/]+", "-", text.lower().removesuffix("/exercise.yaml")).strip("-/")
    elif pattern == FOLDER_PATTERN:
        guess = "/" + text.strip("/ ")
    elif pattern == PROGRAM_PATTERN:
        guess = text.rsplit("/", 1)[-1]
    else:
        guess = ">=" + text.lstrip("<>=~ ") if pattern == KERNEL_PATTERN else ""
    is_guess = ".." not in text and re.fullmatch(pattern, guess)
    return f"expected {form}", ask(guess) if is_guess else ""


def _conversion(kind: str, value: object) -> str:
    """Advice on how to write ``value`` so that it has the expected type."""
    if value is None and kind == "model_type":
        return "write {} to use the defaults"
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    if kind == "bool_type":
        return did_you_mean(value, ("true", "false"))
    is_number = isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value)
    return "remove the quotes" if kind in ("int_type", "float_type") and is_number else ""


def _written(data: Any, path: Path) -> Path:
    """``path`` without the list indexes that a shorthand (``run: ./a``) omits."""
    kept: list[str | int] = []
    for part in path:
        if isinstance(part, int) and not isinstance(data, list):
            continue
        kept.append(part)
        if isinstance(data, dict):
            data = data.get(str(part))
        else:
            data = data[part] if isinstance(data, list) and isinstance(part, int) else None
    return tuple(kept)


def _at(schema: Schema, path: Path) -> Schema:
    """The part of a JSON Schema that describes the value at ``path``; empty if none does."""
    node = _resolved(schema, schema)
    for part in path:
        if isinstance(part, int):
            below = node.get("items", {})
        else:
            named = [*node.get("patternProperties", {}).values(), node.get("additionalProperties") or {}]
            below = node.get("properties", {}).get(part, named[0])
        node = _resolved(schema, below)
    return node


def _resolved(schema: Schema, node: Schema) -> Schema:
    """``node`` behind ``X or null`` and ``$ref``."""
    for option in node.get("anyOf", []):
        if option.get("type") != "null":
            node = option
    reference = node.get("$ref")
    return schema["$defs"][reference.rsplit("/", 1)[-1]] if reference else node
