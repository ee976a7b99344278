"""A student's grades as a Gradescope autograder's ``results.json``: what the student may see, as in the
report of the same name, for the whole lab and after the policy.

``score`` is the sum that counts, and overrides the tests'. Where an exercise ran on one machine, its checks
have its points; where it ran on several, the exercise has them, and what was found on each machine has a
status only. The field names are Gradescope's (autograder specifications, "Output format").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic_core import to_json

from orchestrator.formatting import printable
from orchestrator.gradebook.counted import Counted, adjusted
from orchestrator.grading.model import Verdict
from orchestrator.record import Record, Status
from orchestrator.report import wording
from orchestrator.report.gradescope import tests_of, without_score

Receipts = Mapping[str, Mapping[str, str]]
"""The digests of a student's receipts: by exercise, by machine."""
NO_RECEIPTS: Receipts = MappingProxyType({})
_EXCUSED = "This could not be graded. It is not the submission's fault and costs no points."
_PARTIAL = "The score counts only the exercises that have a result."


def render(grades: Sequence[Counted], receipts: Receipts = NO_RECEIPTS) -> str:
    """Render the grades that count of one student as JSON."""
    # Several times as fast as the standard library's, which indents in Python; a class has hundreds of files.
    return to_json(results(grades, receipts), indent=2).decode() + "\n"


def results(grades: Sequence[Counted], receipts: Receipts = NO_RECEIPTS) -> dict[str, Any]:
    """Return the results of one student with Gradescope's names."""
    records = [record for one in grades for record in one.grade.records]
    return {
        "score": round(sum(one.points for one in grades if one.points is not None), 2),
        "execution_time": round(sum(record.seconds for record in records), 3),
        "output": _output(grades),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"isolab": {one.grade.exercise: _facts(one, receipts) for one in grades}},
        "tests": [test for number, one in enumerate(grades, start=1) for test in _numbered(one, number)],
    }


def _output(grades: Sequence[Counted]) -> str:
    """The text above all tests: what is not in the tests themselves."""
    changed = adjusted(grades)
    lines = [f"{exercise}: {words}" for exercise, words in changed.items()]
    lines += [f"{one.grade.exercise}: no result. {_EXCUSED}" for one in grades if one.points is None]
    lines += [_PARTIAL] * any(one.points is None for one in grades)
    remarks = dict.fromkeys(remark for one in grades for remark in one.grade.remarks)
    return wording.reason("\n".join([*lines, *remarks]))


def _facts(one: Counted, receipts: Receipts) -> dict[str, Any]:
    grade = one.grade
    facts = {
        "verdict": grade.verdict,
        "points": one.points,
        "max_points": grade.max_points,
        "attempt": grade.attempt,
        "late": one.late,
        "files": {printable(name): digest for name, digest in sorted(grade.files.items())},
        "receipts": dict(sorted(receipts.get(grade.exercise, {}).items())),
    }
    return {key: value for key, value in facts.items() if value not in ("", {})}


def _numbered(one: Counted, number: int) -> Iterator[dict[str, Any]]:
    """Yield the tests of an exercise, the first of which is the exercise itself."""
    for place, test in enumerate(_tests(one)):
        yield {**test, "number": f"{number}.{place}" if place else str(number)}


def _tests(one: Counted) -> Iterator[dict[str, Any]]:
    ran = [record for record in one.grade.records if record.status is not Status.SKIP]
    if len(ran) == 1 and one.points is not None:
        whole = one.grade.points is not None and one.grade.points >= one.grade.max_points
        first, *others = _on(ran[0], "")
        # Some of its points may be those of hidden tests, which the report's test of it does not count.
        yield first if whole or "status" not in first else {**first, "status": "failed"}
        yield from others
        return
    yield _whole(one)
    for record in ran:
        for test in _on(record, f" on {printable(record.machine)}"):
            yield without_score(test)


def _on(record: Record, where: str) -> Iterator[dict[str, Any]]:
    """Yield the tests of a record with what its machine is."""
    about = {"machine": record.machine, "boundary": record.boundary, "arch": record.arch}
    extra = {key: printable(value) for key, value in about.items() if value}
    for test in tests_of(record, where):
        yield {**test, "extra_data": extra}


def _whole(one: Counted) -> dict[str, Any]:
    """The test that stands for an exercise as it was graded, before the policy."""
    grade = one.grade
    told = {
        "name": printable(grade.exercise),
        "output": wording.reason(grade.reason),
        "output_format": "text",
        "tags": [grade.verdict],
        "visibility": "visible",
    }
    if grade.points is None:
        return {**told, "output": _EXCUSED}
    whole = grade.verdict is Verdict.SCORED and grade.points >= grade.max_points
    scored = {"score": grade.points, "max_score": grade.max_points, "status": "passed" if whole else "failed"}
    return {**told, **scored}
