"""Bound what a program observed, without making different values equal. Pure.

What is left out is replaced by its size and digest, so that two machines that differ there still differ.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

MAX_KEYS, MAX_TEXT = 200, 2000
_MAX_KEY, _MAX_DIGITS, _MAX_DEPTH = 80, 80, 3
_MORE = "…"


def bounded_object(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with bounds on its size, depth and numbers; ``found`` is parsed JSON."""
    return _object(found, _MAX_DEPTH + 1)


def _bounded(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value, MAX_TEXT)
    if isinstance(value, list | dict) and not depth:
        return None  # no report shows what lies deeper; the digest of the whole output tells it apart
    if isinstance(value, list):
        return _list(value, depth)
    if isinstance(value, dict):
        return _object(value, depth)
    return _number(value)


def _number(value: Any) -> Any:
    """Bound a number; true, false and null are no larger than they are."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) >= 2**64:
        return _text(str(value), _MAX_DIGITS)
    return value


def _list(found: list[Any], depth: int) -> list[Any]:
    rest = [_mark(found[MAX_KEYS - 1 :])] if len(found) > MAX_KEYS else []
    return [*(_bounded(one, depth - 1) for one in found[: MAX_KEYS - len(rest)]), *rest]


def _object(found: Mapping[str, Any], depth: int) -> dict[str, Any]:
    items = list(found.items())
    rest = {_MORE: _mark(items[MAX_KEYS - 1 :])} if len(items) > MAX_KEYS else {}
    kept = items[: MAX_KEYS - len(rest)]
    return {str(key)[:_MAX_KEY]: _bounded(value, depth - 1) for key, value in kept} | rest


def _text(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    mark = f"{_MORE} ({len(text)} characters, {_digest(text)})"
    return text[: limit - len(mark)] + mark


def _mark(value: Any) -> str:
    return f"{_MORE} ({len(value)} more, {_digest(value)})"


def _digest(value: Any) -> str:
    try:
        text = json.dumps(value, sort_keys=True)
    except RecursionError:
        return "too deep"
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"
