"""Result of one check of an exercise, and how failed checks read: a line each, got beside expected. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_ONE_LINE = 100
"""Characters of a line that can be read at a glance; a longer one has got above expected."""


@dataclass(frozen=True)
class CheckResult:
    """Result of one check on one machine.

    ``that`` is the observation, ``got`` and ``expected`` are what was seen of it and what should have been,
    in words. ``points`` are those won of ``max_points``. ``hidden`` checks are not for students.
    """

    that: str
    held: bool
    got: str
    expected: str
    why: str = ""
    points: float = 0.0
    max_points: float = 0.0
    hidden: bool = False

    def to_data(self) -> dict[str, Any]:
        """Return this result as JSON data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> CheckResult:
        """Parse JSON data; keys from newer versions are ignored. Raises TypeError when one is missing."""
        known = cls.__dataclass_fields__
        return cls(**{key: value for key, value in data.items() if key in known})


def missed_lines(results: Sequence[CheckResult]) -> tuple[str, ...]:
    """Return a line for each failed check, aligned: ``capacity: got 4096, expected 65536  (16 pages)``.

    A line too long to be read at a glance is broken, so that what was expected stands below what was got.
    """
    missed = [result for result in results if not result.held]
    name = max((len(result.that) for result in missed), default=0) + 1
    short = [result for result in missed if _is_short(result, name)]
    got = max((len(result.got) for result in short), default=0) + 1
    expected = max((len(result.expected) for result in short if result.why), default=0)
    return tuple(
        _on_one_line(result, name, got, expected) if result in short else _below(result, name)
        for result in missed
    )


def _is_short(result: CheckResult, name: int) -> bool:
    return name + len(f" got {result.got}, expected {result.expected}") <= _ONE_LINE


def _on_one_line(result: CheckResult, name: int, got: int, expected: int) -> str:
    why = f"  ({result.why})" if result.why else ""
    words = result.expected.ljust(expected) if why else result.expected
    return f"{result.that + ':':<{name}} got {result.got + ',':<{got}} expected {words}{why}"


def _below(result: CheckResult, name: int) -> str:
    indent = " " * name
    lines = [f"{result.that + ':':<{name}} got      {result.got}", f"{indent} expected {result.expected}"]
    return "\n".join([*lines, f"{indent} ({result.why})"] if result.why else lines)
