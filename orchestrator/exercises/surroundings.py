"""The environment of an exercise's programs: what is in it, and that it is always as large. Pure.

Strings of the environment lie above the stack. If a run's id or a longer name moved the stack, a program
that reads what it never wrote could answer otherwise on another machine, or for another student.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

PADDING = "ISOLAB_PADDING"
"""The variable that makes up for the lengths of the others."""
STEP = 4096
"""The environment has this size in bytes, or a multiple of it where one is too small."""
OTHER = 1328
"""How much larger it is in a poisoned run, in bytes: a multiple of 16, as the stack's alignment is, and of no
page."""


def padded(environment: Mapping[str, str], more: int = 0) -> dict[str, str]:
    """Return the environment, filled up by a variable to a multiple of ``STEP`` and ``more`` bytes."""
    taken = sum(_size(name, value) for name, value in environment.items()) + _size(PADDING, "")
    return {**environment, PADDING: "x" * (-taken % STEP + more)}


def _size(name: str, value: str) -> int:
    """Return the bytes of ``name=value`` and its end: execve(2)."""
    return len(os.fsencode(name)) + len(os.fsencode(value)) + len("=\0")
