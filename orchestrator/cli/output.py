"""Standard output of verbs: text for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

from orchestrator.cli.streams import write_output
from orchestrator.errors import SpecError

TEXT, JSON = "text", "json"
NO_TERMINAL_WIDTH = 120


def check_format(name: str, known: Sequence[str] = (TEXT, JSON)) -> None:
    """Raise SpecError for an unknown --format."""
    if name not in known:
        raise SpecError(f"unknown format {name!r}", hint=f"formats: {', '.join(known)}")


def say(text: str) -> bool:
    """Print text and one newline. Returns False when its reader has gone; raises OutputLost."""
    return write_output(text.rstrip("\n") + "\n")


def say_json(data: object) -> None:
    """Print data as JSON; values JSON cannot represent become strings."""
    say(json.dumps(data, indent=1, default=str))


def width() -> int:
    """Return the columns of the terminal, or a fixed number if there is none."""
    return shutil.get_terminal_size((NO_TERMINAL_WIDTH, 24)).columns


def mib(size: int) -> str:
    """Format a size in MiB."""
    return f"{size / 2**20:.0f} MiB"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format rows as aligned columns, without decoration."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)
