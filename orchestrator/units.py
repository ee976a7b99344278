"""Parse sizes and durations with units: ``256MiB`` to bytes, ``5s`` to seconds."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_SIZE_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_TIME_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def parse_size(text: object) -> int:
    """Parse a size: ``"256MiB"`` -> bytes. Raises ValueError naming the accepted units."""
    match = re.fullmatch(r"(\d{1,12})\s*([A-Za-z]+)", text) if isinstance(text, str) else None
    if match is None or match[2] not in _SIZE_UNITS:
        raise ValueError(f"expected a size such as 256MiB (units: {', '.join(_SIZE_UNITS)})")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def size_text(size: int) -> str:
    """Format bytes with the largest unit that yields a whole number, as ``parse_size`` reads it."""
    unit = next(name for name in reversed(_SIZE_UNITS) if size % _SIZE_UNITS[name] == 0)
    return f"{size // _SIZE_UNITS[unit]}{unit}"


def parse_duration(text: object) -> float:
    """Parse a duration: ``"5s"`` -> seconds. Raises ValueError naming the accepted units."""
    pattern = r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]+)"
    match = re.fullmatch(pattern, text) if isinstance(text, str) else None
    if match is None or match[2] not in _TIME_UNITS:
        raise ValueError(f"expected a duration such as 5s (units: {', '.join(_TIME_UNITS)})")
    seconds = float(match[1]) * _TIME_UNITS[match[2]]
    if seconds <= 0:
        raise ValueError("expected a duration longer than zero")
    return seconds


def _size_or_bytes(value: object) -> object:
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and value > 4096
        else parse_size(value)
    )


def _duration_or_seconds(value: object) -> object:
    return value if isinstance(value, float) else parse_duration(value)


Size = Annotated[
    int,
    BeforeValidator(_size_or_bytes),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*(B|KiB|MiB|GiB)$", "examples": ["256MiB"]}),
]
Duration = Annotated[
    float,
    BeforeValidator(_duration_or_seconds),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|min|h)$", "examples": ["5s"]}),
]
