"""The lecturer's page: what it counts, what it lists, and that a large class has a page that opens."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from graded_class import (
    ADA,
    BOB,
    DIGEST,
    MACHINES,
    QUEUE,
    WIRE,
    ZOE,
    absent,
    grade,
    queue,
    the_class,
    the_lab,
    wire,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.gradebook.class_tests import class_tests, latest
from orchestrator.gradebook.histogram import histogram_svg
from orchestrator.gradebook.lecturer import lecturer_html
from orchestrator.gradebook.lecturer_overview import Overview, overview_of
from orchestrator.gradebook.lecturer_tables import ROWS, Rows
from orchestrator.gradebook.statistics import histogram
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.record import CheckResult, Status
from orchestrator.submissions.model import Student


def book_of(*grades: Grade) -> Gradebook:
    students = {one.student.id: one.student for one in grades}
    return replace(the_class(), grades=grades, students=tuple(students.values()), notes=())


def table(overview: Overview, anchor: str) -> Rows:
    return next(one for one in overview.tables if one.anchor == anchor)


def somebody(number: int) -> Student:
    return Student(f"s{number:03}")


@pytest.fixture(scope="module")
def overview() -> Overview:
    return overview_of(the_class())


def test_exercises_are_counted(overview: Overview) -> None:
    assert (overview.students, overview.handed_in, overview.incomplete) == (6, 5, 1)
    found, other = overview.exercises
    assert (found.scored, found.not_gradable, found.no_result, found.absent) == (4, 0, 1, 1)
    assert (other.scored, other.not_gradable, other.no_result, other.absent) == (4, 1, 0, 1)
    assert found.spread
    assert found.spread.n == 4
    assert sum(one.students for one in other.bins) == 5


def test_the_latest_attempt_is_the_one(overview: Overview) -> None:
    points = [one.points for one in latest(the_class()) if (one.student.id, one.exercise) == ("roy", QUEUE)]
    assert points == [3.0]
    assert overview.attempts


def test_a_test_is_passed_on_all_machines_or_not() -> None:
    both = wire(), wire("s390x", visible=False, hidden=4)
    found = {test.name: test for test in class_tests(book_of(grade(ADA, WIRE, *both)))}
    assert [(name, test.share) for name, test in found.items()] == [
        ("round_trip", 0.0), ("ends", 1.0), ("sesame_a", 1.0), ("sesame_b", 1.0)
    ]  # fmt: skip
    assert [test.hidden for test in found.values()] == [False, False, True, True]


def test_what_is_worth_no_points_is_no_test() -> None:
    checks = (CheckResult("exit_code", True, "0", "0"), *queue().checks)
    assert [test.name for test in class_tests(book_of(grade(ADA, QUEUE, queue(checks=checks))))] == ["order"]


def test_difficulty_and_discrimination_by_hand() -> None:
    """Five of ten pass the first test; they are those who pass the other exercise's."""
    grades = [
        one
        for number in range(10)
        for one in (
            grade(somebody(number), WIRE, wire(visible=number < 5)),
            grade(somebody(number), QUEUE, queue(held=number < 5)),
        )
    ]
    found = {test.name: test for test in class_tests(book_of(*grades))}
    assert found["round_trip"].share == 0.5
    assert found["round_trip"].discrimination == pytest.approx(1.0)
    assert found["order"].discrimination == pytest.approx(1.0)
    assert (found["ends"].discrimination, found["ends"].why_not) == (None, "all pass")
    few = class_tests(book_of(*grades[:18]))
    assert {test.why_not for test in few} == {"too few"}
    alone = {test.name: test for test in class_tests(book_of(*grades[1::2]))}
    assert alone["order"].why_not == "all have the same rest"


def test_a_missing_result_is_no_zero() -> None:
    """Who lacks a result elsewhere has no rest score."""
    grades = [grade(somebody(number), QUEUE, queue(held=number < 5)) for number in range(11)]
    lacking = grade(somebody(10), WIRE, verdict=Verdict.NO_RESULT, points=None)
    (test,) = class_tests(book_of(*grades, lacking))
    assert (test.n, test.rest_n) == (11, 10)


def test_a_test_of_a_stopped_program_is_not_passed() -> None:
    checks = tuple(replace(one, points=0.0) for one in queue().checks)
    (test,) = class_tests(book_of(grade(ADA, QUEUE, queue(held=False, checks=checks))))
    assert test.share == 0


def test_what_somebody_should_look_at(overview: Overview) -> None:
    rows = {one.anchor: one.rows for one in overview.tables}
    assert rows["no-result"] == (("Ivy Example (ivy)", WIRE, "vm: did not boot"),)
    assert [row[0] for row in rows["not-gradable"]] == ["Bob Example (bob)"]
    assert rows["differ"][0][2:] == ("vm 5 of 7, s390x 1 of 7", "round_trip, sesame_a (hidden)")
    assert rows["time-outs"][0][2] == "s390x"
    assert rows["late"] == (
        ("Roy Example (roy)", "1", "2027-03-08 16:58+08:00"),
        ("Roy Example (roy)", "2", "2027-03-09 09:12+08:00"),
    )
    assert [row[0] for row in rows["unstable"]] == ["Ada Example (ada)", "Roy Example (roy)"]
    assert rows["everybody"][-1] == ("Zoe Example (zoe)", "", "–", "–", "–")
    assert rows["everybody"][0] == ("Ada Example (ada)", "A", "10", "7", "3")
    assert len(rows["slowest"]) == 15


def test_it_says_whose_parameters_were_copied() -> None:
    copied, other = grade(ADA, QUEUE, queue(held=False)), grade(BOB, QUEUE, queue())
    object.__setattr__(copied, "copied_from", ("bob", "who-left"))
    rows = table(overview_of(book_of(copied, other)), "copied").rows
    assert rows == (("Ada Example (ada)", QUEUE, "Bob Example (bob), who-left"),)


def test_the_slowest_come_first() -> None:
    found = overview_of(book_of(*(grade(somebody(n), QUEUE, queue(seconds=float(n))) for n in range(30))))
    assert [row[3] for row in table(found, "slowest").rows][:3] == ["29", "28", "27"]


def test_identical_files_are_those_of_different_people(tmp_path: Path) -> None:
    (tmp_path / "skeleton").mkdir()
    (tmp_path / "skeleton" / "wire.c").write_text("given\n")
    given = hashlib.sha256(b"given\n").hexdigest()
    lab = the_lab()
    lab = replace(lab, exercises=(replace(lab.exercises[0], folder=tmp_path), *lab.exercises[1:]))

    def of(*grades: Grade) -> list[tuple[str, ...]]:
        tables = overview_of(replace(book_of(*grades), lab=lab)).tables
        return [row for one in tables if one.anchor == "identical" for row in one.rows]

    same = grade(ADA, WIRE, wire()), grade(BOB, WIRE, wire())
    assert of(*same) == [(WIRE, "wire.c", "Ada Example (ada), Bob Example (bob)", DIGEST[:16])]
    assert of(*(replace(one, platform_id="17") for one in same)) == []
    assert of(*(replace(one, files={"wire.c": given}) for one in same)) == []
    assert of(*(replace(one, files={"wire.c": hashlib.sha256(b"").hexdigest()}) for one in same)) == []
    assert of(same[0], replace(same[1], files={"wire.c": given})) == []
    assert of(same[0], replace(same[1], attempt=2)) != []


def test_the_page_shows_all_of_it() -> None:
    page = lecturer_html(the_class())
    for words in ("5 of 6 students handed in; 1 lack a result", "mallory is not on the roster", "sesame_a"):
        assert words in page
    assert "\x1b" not in page
    assert "<script>alert" not in page
    assert page.count("<script>") == 1
    assert re.search("script-src 'sha256-[^']{44}'", html.unescape(page))


def test_nobody_has_a_page_too() -> None:
    page = lecturer_html(replace(the_class(), grades=(), students=()))
    assert "0 of 0 students handed in" in page
    assert lecturer_html(book_of(absent(ZOE, WIRE), absent(ZOE, QUEUE)))


def a_large_class(students: int, exercises: int) -> Gradebook:
    """Everything goes wrong: tests fail with long words, machines differ, all time out."""
    lab = the_lab()
    names = tuple(f"work/exercise-{number}" for number in range(exercises))
    loaded = tuple(replace(lab.exercises[0], name=name, hidden=None) for name in names)
    worst = [
        replace(
            wire(name, visible=name == "vm"), reason=4000 * "\x1b", killed_for="timeout", status=Status.FAIL
        )
        for name in MACHINES
    ]
    grades = tuple(
        replace(grade(somebody(who), WIRE, *worst), exercise=name, reason=4000 * "\x1b",
                verdict=Verdict.NOT_GRADABLE if who % 2 else Verdict.SCORED, unstable=("x" * 900,), late=True)
        for who in range(students)
        for name in names
    )  # fmt: skip
    return replace(book_of(*grades), lab=replace(lab, exercises=loaded), exercises=names)


def test_the_page_of_a_large_class_is_bounded() -> None:
    book = a_large_class(200, 15)
    assert len(lecturer_html(book).encode()) < 2_000_000
    not_gradable = table(overview_of(book), "not-gradable")
    assert (len(not_gradable.rows), not_gradable.more) == (ROWS, 1500 - ROWS)


def test_a_histogram_is_told_in_words() -> None:
    svg = histogram_svg(histogram([0, 0, 9.5], 10, 5), "points-1", "Points in <b>")
    assert "Points in &lt;b&gt;" in svg
    assert "2 students with 0 to 2 points; 1 student with 8 to 10 points" in svg
    assert svg.count("<rect") == 2
    assert histogram_svg((), "points-1", "none") == ""


@settings(max_examples=15, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=30))
def test_anything_may_be_in_a_name_or_a_reason(text: str) -> None:
    one = grade(Student(text, text, group=text), QUEUE, queue(held=False, reason=text), reason=text)
    book = replace(book_of(replace(one, files={text: text}, unstable=(text,))), notes=(text,))
    assert lecturer_html(book).encode()
