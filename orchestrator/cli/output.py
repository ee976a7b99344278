"""Answers of verbs on standard output: text for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence

from orchestrator.errors import SpecError

TEXT, JSON = "text", "json"
NO_TERMINAL_WIDTH = 120


def check_format(name: str, known: Sequence[str] = (TEXT, JSON)) -> None:
    """Raises SpecError for a --format nobody knows."""
    if name not in known:
        raise SpecError(f"there is no format {name!r}", hint=f"formats: {', '.join(known)}")


def say(text: str) -> None:
    """Print the answer of a verb, and one end of line, at once."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def say_json(data: object) -> None:
    """Print the answer of a verb for programs; what JSON has no form for becomes its text."""
    say(json.dumps(data, indent=1, default=str))


def width() -> int:
    """Columns of the terminal, or a fixed number where there is none."""
    return shutil.get_terminal_size((NO_TERMINAL_WIDTH, 24)).columns


def mib(size: int) -> str:
    """A size for people."""
    return f"{size / 2**20:.0f} MiB"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, aligned, no decoration."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)
