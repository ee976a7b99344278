"""Check a program's observations against expectations. Pure; runs on the controller only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.exercises.bounded_value import MAX_TEXT, bounded_object
from orchestrator.exercises.measurement import measurement_of
from orchestrator.exercises.missed_checks import missed_lines
from orchestrator.formatting import counted, printable
from orchestrator.labfile.expectation import expectation
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Boundary, Check, Exercise, Needs, User, Where
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.machines.facts import Facts
from orchestrator.record import CheckResult

_ABSENT = object()
_LISTED = 12
"""Observations that a failed check lists when its own is missing."""


@dataclass(frozen=True)
class Subject:
    """What expectations may depend on of the machine an exercise runs on; ``peers``: whether it
    shares a network with another machine; ``root``: whether isolab runs as root on this host; ``login``: as
    whom isolab logs in, if it is somebody else's machine."""

    boundary: Boundary
    arch: str
    facts: Facts
    users: frozenset[str]
    peers: bool = False
    root: bool = True
    login: str = ""


@dataclass(frozen=True)
class Verdict:
    """Points won and possible, and the result of each check that applies to the machine."""

    points: float
    max_points: float
    results: tuple[CheckResult, ...] = ()

    @property
    def misses(self) -> tuple[str, ...]:
        """A line for each failed check."""
        return missed_lines(self.results)


def split(
    exercises: Sequence[LoadedExercise], subject: Subject
) -> tuple[list[LoadedExercise], dict[str, str]]:
    """Split exercises into those that can run on this machine and, by name, why the others cannot."""
    reasons = {exercise.name: unmet(exercise.spec, subject) for exercise in exercises}
    runnable = [exercise for exercise in exercises if not reasons[exercise.name]]
    return runnable, {name: reason for name, reason in reasons.items() if reason}


def unmet(exercise: Exercise, subject: Subject) -> str:
    """Return why this exercise cannot run on this machine; "" when it can."""
    needs: Needs = exercise.needs
    facts = subject.facts
    if elsewhere := _out_of_place(needs, subject):
        return elsewhere
    wanted = {step.user for step in exercise.run} | ({User.ROOT} if needs.root else set())
    for user in sorted(wanted):
        if user.value not in subject.users:
            return _missing_user(user, subject)
    if needs.kernel and not facts.kernel_at_least(needs.kernel):
        return f"needs kernel {needs.kernel}, this is {facts.kernel}"
    for feature in needs.features:
        reason = facts.features.get(feature, "unknown to the runner")
        if reason:
            return f"needs {feature}: {reason}"
    return ""


def _out_of_place(needs: Needs, subject: Subject) -> str:
    """Return why the exercise is not meant for this kind of machine; "" when it is."""
    if needs.boundary and subject.boundary not in needs.boundary:
        return f"only for boundary {', '.join(needs.boundary)}, this is {subject.boundary}"
    if needs.arch and subject.arch not in needs.arch:
        return f"only for {', '.join(needs.arch)}, this is {subject.arch}"
    if needs.network and not subject.peers:
        return "needs a network shared with another machine of the run"
    return ""


def _missing_user(user: User, subject: Subject) -> str:
    whom = "root" if user is User.ROOT else f"the user {user.value!r}"
    if subject.login == "root":
        return f"needs {whom}, whom isolab gives programs there only with `disposable: true`"
    if subject.login:
        return f"needs {whom}, but isolab logs in there as {subject.login!r}, who is not root"
    if user is not User.ROOT:
        return f"needs the user {user.value!r}, so isolab must run as root"
    if subject.boundary is Boundary.SANDBOX:
        return "needs root, which a sandboxed program never has"
    return "needs root, and isolab runs nothing as root on the host itself"


def observations(stdout: str) -> dict[str, Any]:
    """Return the JSON object a program printed: the last line that is one. Its size, depth and numbers
    are bounded; without such a line nothing was observed."""
    for line in reversed(stdout.splitlines()):
        if not line.lstrip().startswith("{"):
            continue
        try:
            found = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return {}
        return bounded_object(found)
    return {}


def judge(
    exercise: Exercise, shown: Mapping[str, Any], subject: Subject, hidden: Sequence[Check] = ()
) -> Verdict:
    """Check all expectations that apply to this machine.

    ``shown`` holds the observations and ``exit_code``, ``signal``, ``stdout``. Without checks
    an exercise passes by exiting with status 0. ``hidden`` are those of its checks that are hidden tests.
    """
    checks = [check for check in exercise.checks if applies(check.where, subject)]
    if not any(check.that in ("exit_code", "signal") for check in checks):
        implied = Check(that="exit_code", equals=0, points=0 if exercise.checks else 1, why="normal exit")
        checks.insert(0, implied)
    secret = {id(check) for check in hidden}
    results = tuple(_result(check, shown, subject.facts, id(check) in secret) for check in checks)
    points = sum(result.points for result in results)
    return Verdict(points, sum(result.max_points for result in results), results)


def applies(where: Where, subject: Subject) -> bool:
    """Return whether a check applies to this machine."""
    return (
        (not where.boundary or subject.boundary in where.boundary)
        and (not where.arch or subject.arch in where.arch)
        and where.bits in (None, subject.facts.bits)
        and where.byte_order in (None, subject.facts.byte_order)
        and where.root in (None, subject.root)
    )


def _result(check: Check, shown: Mapping[str, Any], facts: Facts, hidden: bool) -> CheckResult:
    found = shown.get(check.that, _ABSENT)
    wanted = getattr(check, check.comparison)
    if check.comparison == "equals_fact":
        wanted = facts.raw.get(str(check.equals_fact), _ABSENT)
    held = found is not _ABSENT and _holds(check.comparison, found, wanted)
    points = check.points if held else 0.0
    why = "; ".join(filter(None, [check.why, _instead(check.that, shown) if found is _ABSENT else ""]))
    got = _got(check.that, found, shown)
    return CheckResult(check.that, held, got, _wanted(check, wanted), why, points, check.points, hidden)


def _got(name: str, found: Any, shown: Mapping[str, Any]) -> str:
    """Describe what was seen of an observation."""
    if found is _ABSENT:
        return "nothing"
    if name == "exit_code" and found is None and shown.get("signal"):
        return f"none (killed by {shown['signal']})"
    return _show(found)


def _instead(name: str, shown: Mapping[str, Any]) -> str:
    """Return what was observed instead of a missing observation."""
    seen = [key for key in shown if key not in ("exit_code", "signal", "stdout")]
    if not seen:
        return "nothing was observed"
    more = f" and {len(seen) - _LISTED} more" if len(seen) > _LISTED else ""
    return did_you_mean(name, seen) or f"observed: {printable(', '.join(seen[:_LISTED]))}{more}"


def _wanted(check: Check, wanted: Any) -> str:
    """Describe what a check expects, with the value of a fact."""
    words = expectation(check, _show)
    if check.comparison != "equals_fact":
        return words
    return f"{words}, which is {_show(wanted)}" if wanted is not _ABSENT else f"{words}, unknown here"


def would_hold(check: Check, got: str) -> bool:
    """Return whether a check of one of these comparisons would hold for what was seen, which is given as a
    result has it (``CheckResult.got``)."""
    wanted = getattr(check, check.comparison)
    match check.comparison:
        case "equals":
            return got == _show(wanted)
        case "one_of":
            return any(got == _show(value) for value in wanted)
        case "matches":
            try:
                return _holds("matches", json.loads(got), wanted)
            except ValueError:  # text too long to be kept whole
                return False
    raise AssertionError(check.comparison)


def _holds(comparison: str, found: Any, wanted: Any) -> bool:
    match comparison:
        case "equals" | "equals_fact":
            return _same(found, wanted)
        case "not_equals":
            return not _same(found, wanted)
        case "one_of":
            return any(_same(found, value) for value in wanted)
        case "at_least" | "at_most":
            return _is_number(found) and (found >= wanted if comparison == "at_least" else found <= wanted)
        case "measured":
            return _is_measured(found, wanted)
        case "matches":
            return isinstance(found, str) and re.search(wanted, found[:MAX_TEXT]) is not None
    raise AssertionError(comparison)


def _is_measured(found: Any, times: int) -> bool:
    measurement = measurement_of(found)
    return measurement is not None and measurement.n >= times


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: Any, b: Any) -> bool:
    """Compare without Python's ``True == 1``, at any depth."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _show(value: Any) -> str:
    """Format a value as JSON, whole up to the length of a stored text: what is left out is at the end,
    and is counted."""
    text = printable(json.dumps(value, ensure_ascii=False))
    whole = MAX_TEXT + len('""')
    rest = len(text) - whole
    return text if rest <= 0 else f"{text[:whole]}… ({counted(rest, 'more character')})"
