"""What a result that was derived again has different from the one before it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.formatting import format_value, identity
from orchestrator.labfile.models import ANSWERS
from orchestrator.record import CheckResult, Record

_VERDICT = {
    "status": "verdict",
    "gradable": "gradable",
    "points": "points",
    "max_points": "points that there are",
}
_ENDING = {
    "exit_code": "exit code",
    "signal": "signal",
    "killed_for": "what ended the program",
    "reason": "reason",
    "warnings": "the compiler's warnings",
}
_OUTPUT = {"stdout": "standard output", "stderr": "standard error"}


def same_verdict(old: Record, new: Record) -> bool:
    """Return whether two results of the same work give the same points for the same reasons: status, points,
    and which checks held. Output may differ, such as process ids."""
    return not any(_verdict(old, new))


def differences(old: Record, new: Record) -> tuple[str, ...]:
    """Return in words what differs between two results of the same work, the verdict first.

    Ignored is what differs each time: times and durations, contention and what else the host measured, the
    run, the host, and how the machine started.
    """
    values = (
        f"observation {format_value(name)}: {_values(old.observations.get(name), new.observations.get(name))}"
        for name in dict.fromkeys([*old.observations, *new.observations])
        if name not in ANSWERS.values()
        and identity(old.observations.get(name)) != identity(new.observations.get(name))
    )
    outputs = (
        f"{words} is not the same"
        for name, words in _OUTPUT.items()
        if _printed(old, name) != _printed(new, name)
    )
    return (*_verdict(old, new), *_fields(old, new, _ENDING), *values, *outputs)


def _verdict(old: Record, new: Record) -> Iterator[str]:
    yield from _fields(old, new, _VERDICT)
    before, after = _by_name(old.checks), _by_name(new.checks)
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield f"check {name}: only in the {'new' if one is None else 'old'} result"
        elif (one.held, one.points, one.max_points) != (other.held, other.points, other.max_points):
            yield f"check {name}: {_check(one)}, now {_check(other)}"


def _fields(old: Record, new: Record, names: dict[str, str]) -> Iterator[str]:
    for name, words in names.items():
        one, other = getattr(old, name), getattr(new, name)
        if one != other:
            yield f"{words}: {_values(one, other)}"


def _values(old: object, new: object) -> str:
    return f"{_shown(old)}, now {_shown(new)}"


def _shown(value: object) -> str:
    return "nothing" if value in (None, "") else format_value(value, 200)


def _check(result: CheckResult) -> str:
    held = "held" if result.held else "did not hold"
    return f"{held} ({format_value(result.points)} of {format_value(result.max_points)} points)"


def _by_name(checks: Sequence[CheckResult]) -> dict[str, CheckResult]:
    """Checks by their names: those of one observation are numbered, hidden ones are told apart."""
    found: dict[str, CheckResult] = {}
    for check in checks:
        name = format_value(f"hidden {check.that}" if check.hidden else check.that)
        place, number = name, 1
        while place in found:
            number += 1
            place = f"{name} ({number})"
        found[place] = check
    return found


def _printed(record: Record, name: str) -> tuple[object, ...]:
    return tuple(getattr(record, f"{name}{suffix}") for suffix in ("", "_bytes", "_sha256", "_escaped"))
