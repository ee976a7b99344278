"""A student's grades as the ``results.json`` of a PrairieLearn external grader: made of Gradescope's tests,
with PrairieLearn's field names (docs, "External grading").

Where a result is lacking, or nothing can be graded, the attempt is not ``gradable``: it costs the student no
attempt there. PrairieLearn adds the tests' points up, and shows none if one test has none. So an exercise has
the points, and what was found in it is "0 of 0", which is shown as a remark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.formatting import bounded
from orchestrator.gradebook import gradescope
from orchestrator.gradebook.counted import Counted
from orchestrator.grading.model import Verdict
from orchestrator.report import wording

_MOST = 900_000
"""Bytes of a file: PrairieLearn takes no more than 1 MB."""
_SHORT = 200
"""Characters of a test's output where the file would be larger."""


def render(grades: Sequence[Counted]) -> str:
    """Render the grades that count of one student as JSON."""
    seen = json.loads(gradescope.render(grades))
    verdicts = {one.grade.verdict for one in grades}
    gradable = Verdict.SCORED in verdicts and Verdict.NO_RESULT not in verdicts
    most = sum(one.grade.max_points for one in grades)
    points = {str(number): one for number, one in enumerate(grades, start=1)}
    tests = [
        _test(test, points.get(test["number"])) for test in seen["tests"] if test["visibility"] == "visible"
    ]
    results = {
        "gradable": gradable,
        "score": round(seen["score"] / most, 4) if most and gradable else 0.0,
        "message": seen["output"],
        "tests": tests,
        "format_errors": [] if gradable else [wording.reason(one.reason) for one in grades if one.reason],
    }
    text = json.dumps(results, indent=2)
    if len(text) > _MOST:
        short = [{**test, "output": bounded(test["output"], _SHORT)} for test in tests]
        text = json.dumps({**results, "tests": short}, indent=2)
    return text + "\n"


def _test(test: Mapping[str, Any], whole: Counted | None) -> dict[str, Any]:
    """A test in PrairieLearn's words; ``whole`` is the exercise that it stands for, if it stands for one."""
    points = (whole.grade.points or 0.0, whole.grade.max_points) if whole else (0, 0)
    return {"name": test["name"], "points": points[0], "max_points": points[1], "output": test["output"]}
