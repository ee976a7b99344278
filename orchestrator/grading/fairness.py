"""What the rules of exercises are worth: for each rule of a README, what tells a breach, and which of the
lab's wrong solutions prove that it does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.grading.self_test import Finding
from orchestrator.labfile.load import LoadedExercise


@dataclass(frozen=True)
class RuleInfo:
    """One rule. ``tests`` are the observations whose checks tell a breach, ``points`` what these checks are
    worth on a machine of 64 bits; ``proved_by`` the wrong solutions that missed one of them; ``untested``
    says why there is no test, "" if there is."""

    exercise: str
    rule: str
    tests: tuple[str, ...]
    points: float
    proved_by: tuple[str, ...]
    untested: str = ""


def rules(exercises: Sequence[LoadedExercise], findings: Sequence[Finding]) -> list[RuleInfo]:
    """Return the rules of these exercises, in the order of their ``hidden.yaml``."""
    return [one for exercise in exercises for one in _of_exercise(exercise, findings)]


def _of_exercise(exercise: LoadedExercise, findings: Sequence[Finding]) -> Iterator[RuleInfo]:
    if exercise.hidden is None:
        return
    wrong = [one for one in findings if one.exercise == exercise.name and not one.right]
    checks = exercise.whole_spec.checks
    for rule, tests in exercise.hidden.rules.items():
        points = sum(one.points for one in checks if one.that in tests and one.where.bits in (None, 64))
        proved_by = tuple(one.place.partition("/")[2] for one in wrong if set(one.missed) & set(tests))
        yield RuleInfo(exercise.name, rule, tuple(tests), points, proved_by)
    for rule, why in exercise.hidden.untested.items():
        yield RuleInfo(exercise.name, rule, (), 0.0, (), why)
