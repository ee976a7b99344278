"""The class's grades as JUnit XML, for continuous integration: a test suite per student, a test case for each
exercise. It fails where points are missing, and is an error where there is no result."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import groupby

from orchestrator.gradebook.counted import Counted
from orchestrator.gradebook.points import points_text
from orchestrator.grading.model import Verdict
from orchestrator.report import wording
from orchestrator.report.junit import document, legal, tell

_FAILED, _ERROR = "failure", "error"


def render(grades: Sequence[Counted]) -> str:
    """Render the grades that count, those of a student one after the other, as an XML document."""
    root = ET.Element("testsuites", _sums(grades))
    for student, mine in groupby(grades, key=lambda one: one.student):
        found = tuple(mine)
        suite = ET.SubElement(root, "testsuite", {"name": legal(student.id), **_sums(found)})
        properties = ET.SubElement(suite, "properties")
        for name, value in (("name", student.name), ("group", student.group)):
            if value:
                ET.SubElement(properties, "property", {"name": name, "value": legal(value)})
        for one in found:
            _case(suite, one)
    return document(root)


def _case(suite: ET.Element, one: Counted) -> None:
    names = {"classname": legal(one.student.id), "name": legal(one.grade.exercise)}
    case = ET.SubElement(suite, "testcase", {**names, "time": f"{_seconds([one]):.3f}"})
    points = "" if one.points is None else points_text(one.points)
    facts = {
        "verdict": one.grade.verdict,
        "points": points,
        "max": points_text(one.grade.max_points),
        "late": one.late,
    }
    properties = ET.SubElement(case, "properties")
    for name, value in facts.items():
        if value:
            ET.SubElement(properties, "property", {"name": name, "value": value})
    if element := _element(one):
        told = "" if one.grade.verdict is Verdict.SCORED else one.grade.verdict
        tell(case, element, wording.reason(": ".join(part for part in (told, one.grade.reason) if part)))


def _element(one: Counted) -> str:
    """What is wrong with a grade, as JUnit names it; "" for all points. A penalty for lateness is no
    failure."""
    if one.grade.verdict is Verdict.NO_RESULT:
        return _ERROR
    whole = one.grade.verdict is Verdict.SCORED and (one.grade.points or 0.0) >= one.grade.max_points
    return "" if whole else _FAILED


def _sums(grades: Sequence[Counted]) -> dict[str, str]:
    found = [_element(one) for one in grades]
    return {
        "tests": str(len(found)),
        "failures": str(found.count(_FAILED)),
        "errors": str(found.count(_ERROR)),
        "time": f"{_seconds(grades):.3f}",
    }


def _seconds(grades: Sequence[Counted]) -> float:
    return sum(record.seconds for one in grades for record in one.grade.records)
