"""How failed checks read: a line each, got beside expected. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from orchestrator.record import CheckResult

_ONE_LINE = 90
"""Characters of a line that can be read at a glance; a longer one has got above expected."""


def missed_lines(results: Sequence[CheckResult]) -> tuple[str, ...]:
    """Return a line for each failed check, aligned: ``capacity: got 4096, expected 65536  (16 pages)``.

    A line too long to be read at a glance is broken, so that what was expected stands below what was got,
    and the reason below both.
    """
    missed = [result for result in results if not result.held]
    name = max((len(result.that) for result in missed), default=0) + 1
    short, got = missed, 0
    for _ in range(2):  # without the longest, the others' columns are narrower
        short = [result for result in short if len(_beside(result, name, got)) <= _ONE_LINE]
        got = max((len(result.got) for result in short), default=0) + 1
    short = [result for result in short if len(_beside(result, name, got)) <= _ONE_LINE]
    lines = [_beside(result, name, got) for result in short]
    reasons = max((len(line) for line, one in zip(lines, short, strict=True) if one.why), default=0) + 2
    return tuple(
        _with_reason(_beside(result, name, got), result.why, name, reasons)
        if result in short
        else _with_reason(_below(result, name), result.why, name, _ONE_LINE)
        for result in missed
    )


def _beside(result: CheckResult, name: int, got: int) -> str:
    return f"{result.that + ':':<{name}} got {result.got + ',':<{got}} expected {result.expected}"


def _below(result: CheckResult, name: int) -> str:
    indent = " " * name
    return f"{result.that + ':':<{name}} got      {result.got}\n{indent} expected {result.expected}"


def _with_reason(text: str, why: str, name: int, column: int) -> str:
    """Add the reason in this column if it fits there, else in lines of its own."""
    if not why:
        return text
    if column + len(why) + 2 <= _ONE_LINE:
        return f"{text:<{column}}({why})"
    indent = " " * (name + 1)
    return "\n".join([text, *wrap(f"({why})", _ONE_LINE, initial_indent=indent, subsequent_indent=indent)])
