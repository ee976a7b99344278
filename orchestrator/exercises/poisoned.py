"""The verdict of two runs: a check counts if it holds with memory that happens to be zero, and without.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.exercises.missed_checks import missed_lines
from orchestrator.record import CheckResult
from orchestrator.transport.runner import ProcessResult

ONLY_ZERO = "only with memory that happened to be zero (poisoned run)"


@dataclass(frozen=True)
class Again:
    """How the steps ended once more, with poisoned programs: ``trouble`` is what stopped the last one, and
    ``notes`` are remarks about its end."""

    results: tuple[ProcessResult, ...]
    trouble: str = ""
    notes: tuple[str, ...] = ()


def both(first: Sequence[CheckResult], second: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Return the results of the first run, in which a check that did not hold in the second one is missed:
    with what was seen then."""
    return tuple(
        replace(one, held=False, got=other.got, why=other.why, points=0.0, poisoned=True)
        if one.held and not other.held
        else one
        for one, other in zip(first, second, strict=True)
    )


def lucky_lines(results: Sequence[CheckResult], trouble: str, notes: Sequence[str] = ()) -> list[str]:
    """Return what a reason says of the poisoned run, in one text; nothing if it was as good as the first."""
    missed = [one for one in results if one.poisoned]
    if trouble:
        return [f"{ONLY_ZERO}: {trouble}"]
    if not missed:
        return []
    lines = "\n".join([*missed_lines(missed), *notes])
    return [f"{ONLY_ZERO}:\n{lines}" if "\n" in lines else f"{ONLY_ZERO}: {lines}"]
