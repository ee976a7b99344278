"""An error of one machine among many, in one line."""

from __future__ import annotations

from orchestrator.errors import LabError
from orchestrator.formatting import bounded, printable

MOST_CHARACTERS = 300


def one_line(problem: LabError) -> str:
    """Return the first line of an error's message, printable: parts of it may come from the machine."""
    words = printable(problem.message.partition("\n")[0])
    return bounded(words, MOST_CHARACTERS) or type(problem).__name__
