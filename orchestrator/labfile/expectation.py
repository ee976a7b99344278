"""What a check expects, in words that follow "expected": the same in messages and in reports. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.labfile.models import Check

_WORDS = {
    "not_equals": "anything but {}",
    "at_least": "at least {}",
    "at_most": "at most {}",
    "matches": "a text that matches {}",
    "measured": "a measurement of at least {} readings",
    "equals_fact": "this machine's {}",
}


def expectation(check: Check, show: Callable[[Any], str]) -> str:
    """Return what ``check`` expects: ``65536``, ``at least 2``, ``one of 1, 2``. ``show`` formats a value."""
    value = getattr(check, check.comparison)
    if check.comparison == "one_of":
        return f"one of {', '.join(map(show, value))}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    words = value if check.comparison == "equals_fact" else show(value)
    return _WORDS.get(check.comparison, "{}").format(words)
