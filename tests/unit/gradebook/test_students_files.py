"""A student's results for Gradescope and PrairieLearn, and the class's for JUnit: against files written by
hand."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import made_up_gradebook as made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gradebook import ANNA, BOB, DORA, EXERCISES, HIDDEN
from places import TESTS

from orchestrator.gradebook import gradescope, junit, prairielearn
from orchestrator.gradebook.counted import Counted, counted
from orchestrator.gradebook.policy import Amount, Policy
from orchestrator.grading.model import Gradebook, Verdict
from orchestrator.record import Status
from orchestrator.submissions.model import Student

GOLDEN = TESTS / "golden" / "gradebook"
POLICY = Policy(due=made_up.DUE, penalty_per_day=Amount(10, percent=True))


def of(student: Student, book: Gradebook, policy: Policy = POLICY) -> list[Counted]:
    return [one for one in counted(book, policy) if one.student == student]


def on_one_machine() -> Gradebook:
    """Bob is a day late: the first exercise ran on one machine, the second on two."""
    book = made_up.gradebook()
    grades = [
        replace(grade, records=grade.records[:1]) if grade.exercise == EXERCISES[0] else grade
        for grade in book.grades
    ]
    return replace(book, grades=tuple(grades))


def test_gradescopes_results_have_all_that_has_a_meaning() -> None:
    receipts = {EXERCISES[0]: {"vm": "cd" * 32}}
    found = gradescope.render(of(BOB, on_one_machine()), receipts)
    assert json.loads(found) == json.loads((GOLDEN / "gradescope-late.json").read_text())
    assert found.endswith("}\n")


def test_gradescope_is_told_that_a_result_is_lacking() -> None:
    found = gradescope.render(of(DORA, made_up.gradebook()))
    assert json.loads(found) == json.loads((GOLDEN / "gradescope-no-result.json").read_text())


def test_nothing_handed_in_scores_nothing() -> None:
    results = json.loads(gradescope.render(of(made_up.FRED, made_up.gradebook())))
    assert (results["score"], results["execution_time"]) == (0, 0)
    assert [(test["score"], test["max_score"], test["output"]) for test in results["tests"]] == [
        (0, 3, "nothing handed in")
    ] * 2


def test_prairielearns_results_add_up() -> None:
    results = json.loads(prairielearn.render(of(BOB, on_one_machine())))
    assert results == json.loads((GOLDEN / "prairielearn-late.json").read_text())
    assert sum(test["max_points"] for test in results["tests"]) == 6


@pytest.mark.parametrize(("student", "gradable"), [(ANNA, True), (DORA, False), (made_up.FRED, False)])
def test_prairielearn_takes_no_attempt_for_what_was_not_graded(student: Student, gradable: bool) -> None:
    results = json.loads(prairielearn.render(of(student, made_up.gradebook())))
    assert (results["gradable"], bool(results["format_errors"])) == (gradable, not gradable)


def test_prairielearns_file_is_not_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prairielearn, "_MOST", 20_000)
    huge = tuple(
        made_up.record(ANNA, EXERCISES[0], str(at), 0.0, student_view=None, checks=(), stdout="x\n" * 9999)
        for at in range(12)
    )
    book = made_up.gradebook((made_up.grade(ANNA, records=huge),), exercises=EXERCISES[:1])
    text = prairielearn.render(of(ANNA, book))
    assert len(text) < 20_000
    assert len(json.loads(text)["tests"]) == 13


def test_junit_has_the_whole_class() -> None:
    found = junit.render(counted(made_up.gradebook(), POLICY))
    assert found == (GOLDEN / "junit.xml").read_text()


def test_junit_counts_what_is_in_it() -> None:
    root = ET.fromstring(junit.render(counted(made_up.gradebook(), POLICY)))
    for name, elements in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        assert int(root.get(name, "")) == len(list(root.iter(elements)))
        assert int(root.get(name, "")) == sum(int(suite.get(name, "")) for suite in root)


@settings(max_examples=15, deadline=None)
@given(
    st.text(max_size=30), st.text(max_size=30), st.sampled_from(list(Status)), st.sampled_from(list(Verdict))
)
def test_any_text_of_a_student_leaves_the_files_well_formed(
    name: str, text: str, status: Status, verdict: Verdict
) -> None:
    who = Student(name, text, text, text)
    points = None if verdict is Verdict.NO_RESULT else 1.0
    records = (made_up.record(who, EXERCISES[0], text, 1.0, status=status, reason=text, stdout=text),)
    changes: dict[str, Any] = {"records": records, "reason": text, "remarks": (text,), "files": {text: "00"}}
    grade = made_up.grade(who, EXERCISES[0], points, verdict=verdict, **changes)
    found = counted(made_up.gradebook((grade,)), Policy())
    ET.fromstring(junit.render(found))
    for rendered in (gradescope.render(found), prairielearn.render(found)):
        assert isinstance(json.loads(rendered)["score"], int | float)


def test_nothing_of_a_hidden_test_is_in_a_students_file() -> None:
    for student in made_up.CLASS:
        for render in (gradescope.render, prairielearn.render):
            assert HIDDEN not in render(of(student, made_up.gradebook()))
