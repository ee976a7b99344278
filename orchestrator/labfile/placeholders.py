"""Placeholders of parameters in an exercise's texts: ``${name}``, and ``$${`` for the characters themselves.
Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

Value = str | int
_PLACEHOLDER = re.compile(r"\$(\$?)\{([^{}]*)\}")
FILLED = ("equals", "not_equals", "one_of", "matches", "why")
"""The keys of a check that may have placeholders."""


def names_in(value: Any) -> Iterator[str]:
    """Yield the names of the placeholders in a text, or in the texts of a list or mapping."""
    match value:
        case str():
            yield from (found[2] for found in _PLACEHOLDER.finditer(value) if not found[1])
        case list():
            for one in value:
                yield from names_in(one)
        case dict():
            for one in value.values():
                yield from names_in(one)


def in_text(text: str, values: Mapping[str, Value]) -> str:
    """Return a text with the values of its placeholders. One without a value stays as it is."""

    def put(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        return str(values.get(found[2], found[0]))

    return _PLACEHOLDER.sub(put, text)


def in_value(value: Any, values: Mapping[str, Value]) -> Any:
    """Return data with the values of the placeholders in its texts. A text that is one placeholder and
    nothing else becomes the value itself: a number stays a number."""
    match value:
        case str():
            whole = _PLACEHOLDER.fullmatch(value)
            alone = whole is not None and not whole[1] and whole[2] in values
            return values[whole[2]] if whole is not None and alone else in_text(value, values)
        case list():
            return [in_value(one, values) for one in value]
        case dict():
            return {key: in_value(one, values) for key, one in value.items()}
    return value


def in_command(command: str, values: Mapping[str, Value]) -> str:
    """Return a command with the values of its placeholders. A value is a part of the word it is in, whatever
    characters it has."""
    if not _PLACEHOLDER.search(command):
        return command
    return shlex.join(in_text(word, values) for word in shlex.split(command))


def in_check(check: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """Return the keys of a check that may have placeholders, with their values: in a regular expression
    each stands for its own characters."""
    escaped = {name: re.escape(str(value)) for name, value in values.items()}
    told = {name: str(value) for name, value in values.items()}
    by_key = {"matches": escaped, "why": told}
    return {key: in_value(check[key], by_key.get(key, values)) for key in FILLED if key in check}
