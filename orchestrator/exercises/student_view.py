"""What a student may see of a record whose exercise has hidden tests. Pure.

Only the visible steps and checks are in it, judged anew without the hidden ones: a value, a message or an
ending that a hidden test brought about is not a student's to read. The verdict and the points are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.compile.compiler_messages import without_counts, without_files
from orchestrator.exercises.checks import Subject, judge, observations
from orchestrator.exercises.ending import NOTHING_PRINTED, printed_fields
from orchestrator.exercises.missed_checks import missed_lines
from orchestrator.exercises.poisoned import ONLY_ZERO, Again, lucky_lines
from orchestrator.labfile.canary_kinds import RESERVED
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import ANSWERS
from orchestrator.labfile.shared import ABOVE
from orchestrator.record import CheckResult, Record, Status
from orchestrator.transport.runner import ProcessResult

HIDDEN_MISSED = "hidden tests did not all pass"
HIDDEN_STOPPED = "stopped in a hidden test"
NOT_OURS_TO_TELL = "this could not be graded; it is not the submission's fault and costs no points"
OTHERWISE = "another value in a hidden test"
NO_BUILD = "does not compile together with the hidden tests"
_FROM_OUTSIDE = RESERVED | set(ANSWERS.values())


def view_of(
    exercise: LoadedExercise,
    record: Record,
    results: Sequence[ProcessResult],
    subject: Subject,
    trouble: str,
    notes: Sequence[str],
    again: Again | None = None,
) -> Mapping[str, Any] | None:
    """Return the fields a student sees of the record of these steps; None where nothing is hidden.

    ``trouble`` is what stopped the last step, ``notes`` are remarks about the output, ``again`` is the run
    with poisoned programs, if there was one.
    """
    if exercise.hidden is None:
        return None
    public = exercise.public.spec
    seen, last = results[: len(public.run)], results[: len(public.run)][-1]
    shown = _shown(seen, record)
    judged = judge(public, shown, subject).results
    others = judged
    if again is not None:
        others = judge(public, _shown(again.results[: len(public.run)], record), subject).results
    checks = [_agreed(one, record, other) for one, other in zip(judged, others, strict=True)]
    if trouble:
        words = [trouble if len(results) <= len(public.run) else HIDDEN_STOPPED]
    else:
        ordinary = missed_lines([one for one in checks if not one.poisoned])
        words = [*ordinary, *_lucky(checks, again, len(public.run)), *_hidden_missed(record)]
    return {
        "reason": "\n".join([*words, *(notes if len(results) <= len(public.run) else ())]),
        "observations": _noted(seen, record),
        "stdout": shown["stdout"],
        "stderr": "".join(result.stderr for result in seen),
        "exit_code": last.exit_code,
        "signal": last.signal,
        "checks": [one.to_data() for one in checks],
        "warnings": without_files(record.warnings, _hidden_names(exercise)),
        **printed_fields(seen),
    }


def view_unbuilt(exercise: LoadedExercise, message: str) -> Mapping[str, Any] | None:
    """Return what a student sees of work that does not compile: the messages about visible files."""
    if exercise.hidden is None:
        return None
    kept = without_files(message, _hidden_names(exercise))
    whole = kept in (message, without_counts(message))
    return {"reason": message if whole else "\n".join([NO_BUILD, kept]).rstrip()}


def sealed(record: Record) -> Mapping[str, Any]:
    """Return what a student sees of any other record of an exercise with hidden tests: nothing that a
    machine or a hidden test said."""
    told = {Status.ERROR: NOT_OURS_TO_TELL, Status.FAIL: HIDDEN_MISSED}
    nothing: dict[str, Any] = {"observations": {}, "warnings": "", "stdout": "", "stderr": "", "checks": []}
    nothing |= NOTHING_PRINTED
    return nothing | {"reason": told.get(record.status, record.reason), "exit_code": None, "signal": None}


def _hidden_names(exercise: LoadedExercise) -> set[str]:
    """Return the names of an exercise's hidden files, their folders and programs."""
    if exercise.hidden is None:
        return set()
    sources = {name for build in exercise.hidden.build for name in build.sources}
    names = {*sources, *exercise.hidden.files} - _visible(exercise)
    folders = {f"{name.rsplit('/', 1)[0]}/" for name in names if "/" in name and not name.startswith(ABOVE)}
    return names | folders | {build.program for build in exercise.hidden.build}


def _visible(exercise: LoadedExercise) -> set[str]:
    spec = exercise.public.spec
    return {*spec.files, *(name for build in spec.build for name in build.sources)}


def _noted(seen: Sequence[ProcessResult], record: Record) -> dict[str, Any]:
    """Return the observations of the visible steps, and the controller's own."""
    noted: dict[str, Any] = {}
    for result in seen:
        noted |= observations(result.stdout)
    own = {name: value for name, value in record.observations.items() if name in _FROM_OUTSIDE}
    return {name: value for name, value in noted.items() if name not in _FROM_OUTSIDE} | own


def _shown(seen: Sequence[ProcessResult], record: Record) -> dict[str, Any]:
    """Return all that visible checks may be about, of the visible steps of one run."""
    last, stdout = seen[-1], "".join(result.stdout for result in seen)
    noted = _noted(seen, record)
    return {**noted, "exit_code": last.exit_code, "signal": last.signal, "stdout": stdout}


def _lucky(checks: Sequence[CheckResult], again: Again | None, visible: int) -> list[str]:
    """Return what a student may read of the poisoned run, whose first ``visible`` steps are visible."""
    if again is None:
        return []
    if len(again.results) <= visible:
        return lucky_lines(checks, again.trouble, again.notes)
    return lucky_lines(checks, HIDDEN_STOPPED if again.trouble else "")


def _agreed(seen: CheckResult, record: Record, other: CheckResult) -> CheckResult:
    """Return a check judged on the visible steps with the points it won; a hidden step may have changed
    what it is about. ``other`` is the same check, judged on the visible steps of the poisoned run."""
    same = (one for one in record.checks if not one.hidden and _key(one) == _key(seen))
    real = next(same, None)
    if real is None:
        return seen
    if real.poisoned and seen.held:
        missed = replace(seen, held=False, got=other.got, why=other.why, points=real.points, poisoned=True)
        return missed if not other.held else replace(missed, got=OTHERWISE)
    if not seen.max_points:
        return seen
    if seen.held and not real.held:
        return replace(seen, held=False, got=OTHERWISE, points=real.points)
    return replace(seen, held=real.held, points=real.points)


def _key(one: CheckResult) -> tuple[str, str, float]:
    return one.that, one.expected, one.max_points


def _hidden_missed(record: Record) -> list[str]:
    missed = [one for one in record.checks if one.hidden and not one.held]
    if record.status is not Status.FAIL or not missed:
        return []
    lucky = all(one.poisoned for one in missed)
    return [f"{ONLY_ZERO}: {HIDDEN_MISSED}" if lucky else HIDDEN_MISSED]


def told_apart(stdout: str) -> str:
    """Return the output without the lines that are observations: what is meant for people."""
    return "".join(line for line in stdout.splitlines(keepends=True) if not _is_observed(line))


def _is_observed(line: str) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def read_view(view: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored view as those of a record."""
    checks = tuple(CheckResult.from_data(one) for one in view.get("checks", ()))
    return {**NOTHING_PRINTED, **view, "checks": checks}
