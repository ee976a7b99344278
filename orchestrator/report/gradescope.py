"""The report as a Gradescope autograder's ``results.json``, for one student's submission.

It is always the student's: a test for each visible check, and for each hidden one a test that only
lecturers see (``visibility``), without a name, a value or a word of it. An incomplete run says so above the
tests, and has a test without a score for each result it lacks. The field names are Gradescope's
(autograder specifications, "Output format").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.errors import SpecError
from orchestrator.exercises.missed_checks import missed_lines
from orchestrator.formatting import bounded, printable, whole_lines
from orchestrator.record import CheckResult, Record, Status
from orchestrator.report import wording
from orchestrator.report.summary import summarize
from orchestrator.results.comparison import Table
from orchestrator.results.for_student import for_student, output_for_people

_KEPT = "\n\t"
"""Characters that stay as they are."""
_OUTPUT_LIMIT = 4000
_REASON_LIMIT = 16_000
_STATUS = {Status.PASS: "passed", Status.FAIL: "failed"}
_EXCUSED = {
    Status.ERROR: "This could not be graded. It is not the submission's fault and costs no points.",
    Status.SKIP: "This was not run here and costs no points.",
}
_LACKING = "There is no result: the run is incomplete. It is not the submission's fault and costs no points."
_TOLD = "The score counts only the tests that have a result."


def render(table: Table) -> str:
    """Render the report as JSON. Raises SpecError for records of several students."""
    students = {column.student for column in table.machines}
    if len(students) > 1:
        raise SpecError(
            f"Gradescope accepts the results of one student, but these records are from {len(students)}",
            hint="report each student's records separately",
        )
    total = summarize(table).total
    alone = len(table.machines) == 1
    tests = [
        test
        for place, column in enumerate(table.machines)
        for record in table.records(place)
        for test in tests_of(record, "" if alone else f" on {column.name}")
    ]
    tests += [_missing(machine, exercise) for machine, exercise in table.about.missing]
    results = {
        **_about_run(table),
        "score": total.points,
        "execution_time": round(total.seconds, 3),
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    return json.dumps(results, indent=2) + "\n"


def _about_run(table: Table) -> dict[str, str]:
    """Return the text above all tests: that the run is incomplete, and which results are missing."""
    if not (words := wording.incomplete(table)):
        return {}
    names = [f"{printable(exercise)} on {printable(machine)}" for machine, exercise in table.about.missing]
    lines = [words, _TOLD, *(f"no result: {name}" for name in names)]
    return {"output": whole_lines("\n".join(lines), _OUTPUT_LIMIT), "output_format": "text"}


def _missing(machine: str, exercise: str) -> dict[str, Any]:
    """Return the test of a result that is not there: it says so, and has no score."""
    return {
        "name": f"{printable(exercise)} on {printable(machine)}",
        "output": _LACKING,
        "output_format": "text",
        "tags": ["missing"],
        "visibility": "visible",
    }


def tests_of(record: Record, where: str) -> Iterator[dict[str, Any]]:
    """Yield the tests of one record, as its student may see it: of the exercise, and of each check if there
    are several. ``where`` ends their names."""
    name, seen = printable(record.exercise), for_student(record)
    tags = [printable(tag) for tag in (record.boundary, record.arch, str(record.status)) if tag]
    about = {"output_format": "text", "tags": tags}
    whole = {"name": name + where, **_scored(record), "output": _output(seen), **about}
    if not record.checks or record.status not in _STATUS:
        yield {**whole, "visibility": "visible"}
        return
    # Its points are in the tests of its checks.
    yield without_score(whole) | {
        "status": _STATUS[_visible_status(seen)],
        "visibility": "visible",
    }
    visible = [check for check in seen.checks if check.max_points]
    for label, check in zip(_labels(visible), visible, strict=True):
        yield {"name": f"{name}: {label}{where}", **_checked(check), **about, "visibility": "visible"}
    for number, check in enumerate((one for one in record.checks if one.hidden), start=1):
        scored = _scores(check.points, check.max_points, check.held)
        title = f"{name}: hidden test {number}{where}"
        yield {"name": title, **scored, "output": "", **about, "visibility": "hidden"}


def _visible_status(seen: Record) -> Status:
    """Return the status of the visible part: hidden tests alone do not make it a failure."""
    lost = any(not check.held or check.points < check.max_points for check in seen.checks)
    return seen.status if lost else Status.PASS


def _scored(record: Record) -> dict[str, Any]:
    """Return a record's score; none where the verdict does not depend on the submission."""
    if record.status not in _STATUS:
        return {}
    return _scores(record.points, record.max_points, record.status is Status.PASS)


def _scores(points: float, max_points: float, held: bool) -> dict[str, Any]:
    return {"score": points, "max_score": max_points, "status": _STATUS[Status.PASS if held else Status.FAIL]}


def without_score(test: Mapping[str, Any]) -> dict[str, Any]:
    """Return a test that has no score of its own: what it is worth is in other tests."""
    return {key: value for key, value in test.items() if key not in ("score", "max_score")}


def _labels(checks: list[CheckResult]) -> list[str]:
    """Return a name for each check: its observation, numbered where there are several checks on it."""
    names = [printable(check.that) for check in checks]
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


def _checked(check: CheckResult) -> dict[str, Any]:
    words = printable("\n".join(missed_lines([check])), keep="\n")
    return {
        **_scores(check.points, check.max_points, check.held),
        "output": whole_lines(words, _OUTPUT_LIMIT),
    }


def _output(seen: Record) -> str:
    reason = whole_lines(printable(seen.reason, keep=_KEPT), _REASON_LIMIT)
    streams = (("stdout", output_for_people(seen)), ("stderr", seen.stderr))
    said = [
        f"{name}:\n{bounded(printable(text, keep=_KEPT), _OUTPUT_LIMIT)}" for name, text in streams if text
    ]
    return "\n".join(part for part in (_EXCUSED.get(seen.status, ""), reason, *said) if part)
