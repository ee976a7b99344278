"""Feedback: what each student reads, as HTML and as Markdown, and what none of them may."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from graded_class import (
    ADA,
    BOB,
    DIGEST,
    EVE,
    IVY,
    QUEUE,
    ROY,
    SESAME,
    WIRE,
    ZOE,
    absent,
    grade,
    queue,
    record,
    the_class,
    wire,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from places import GOLDEN

from orchestrator.gradebook.counted import Counted
from orchestrator.gradebook.feedback import feedback_html, feedback_markdown
from orchestrator.gradebook.feedback_sheet import NO_LOSS, NOTHING, UNCLEAR, sheet_of
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.record import CheckResult, Status
from orchestrator.submissions.model import Student

FILES = GOLDEN / "gradebook"
FORMS: tuple[Callable[..., str], ...] = (feedback_html, feedback_markdown)
GOLDEN_PAGES: dict[str, Callable[[], str]] = {
    "feedback.html": lambda: without_style(
        feedback_html(the_class(), BOB, notes=["One day late: 10 % less."])
    ),
    "feedback.md": lambda: feedback_markdown(the_class(), BOB, notes=["One day late: 10 % less."]),
}
every_form = pytest.mark.parametrize("form", FORMS)


def without_style(page: str) -> str:
    """The page without its style and the hash of it: those are the report's, which has tests of its own."""
    return re.sub(
        r"sha256-[A-Za-z0-9+/=]+",
        "sha256-",
        re.sub(r"<style>.*</style>", "<style></style>", page, flags=re.S),
    )


def book_of(*grades: Grade) -> Gradebook:
    return replace(the_class(), grades=grades)


def said(page: str) -> str:
    """The words of a page, in either format."""
    without = html.unescape(re.sub(r"<[^>]+>", "", page.rpartition("</style>")[2]))
    return " ".join(re.sub(r"\\(.)", r"\1", without).split())


class Tags(HTMLParser):
    """Counts the tags of a page, and finds those that are not closed in their order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "wbr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", GOLDEN_PAGES)
def test_a_page_is_as_it_was_agreed(name: str) -> None:
    assert GOLDEN_PAGES[name]() == (FILES / name).read_text(encoding="utf-8")


@every_form
def test_nothing_of_a_hidden_test_is_told_to_any_student(form: Callable[..., str]) -> None:
    book = the_class()
    for student in book.students:
        assert SESAME not in form(book, student)
    assert "2 hidden tests: 0 of 4 points" in said(form(book, BOB))


@every_form
def test_a_record_without_a_students_view_is_sealed(form: Callable[..., str]) -> None:
    """The machine failed in a hidden test, or an older version wrote the record."""
    for status in Status:
        bare = wire(hidden=0, student_view=None, status=status)
        if status is Status.SKIP:
            bare = replace(bare, reason="no landlock")
        assert SESAME not in form(book_of(grade(ADA, WIRE, bare)), ADA)


@every_form
def test_what_was_unstable_is_only_counted_where_it_may_be_hidden(form: Callable[..., str]) -> None:
    assert "Not the same when graded again: 2 parts of the results." in said(form(the_class(), ROY))
    assert "Not the same when graded again: on vm: check order" in said(form(the_class(), ADA))


@every_form
def test_what_was_taken_and_refused(form: Callable[..., str]) -> None:
    words = said(form(the_class(), BOB))
    assert words.count("../../etc/passwd in work.zip was refused: its path leaves the archive") == 1
    assert DIGEST in words
    assert "wire.c was taken from work/Wire.C" in said(form(the_class(), ADA))


@every_form
def test_machines_that_differ_and_the_one_that_counts(form: Callable[..., str]) -> None:
    words = said(form(the_class(), BOB))
    assert "The machine with the lowest share of its points counts." in words
    assert re.search(r"On s390x.{1,12}1 of 7 points,? counts", words)
    assert re.search(r"On vm.{1,12}5 of 7 points(?!,? counts)", words)
    alike = said(form(the_class(), ADA))
    assert "On vm, s390x" in alike
    assert "counts" not in alike.replace("Hidden tests are counted", "")


def test_the_lowest_share_counts_where_machines_are_worth_different_points() -> None:
    less = queue("s390x", held=False, points=2.0, max_points=2.0, checks=())
    more = queue(held=False, points=2.5, checks=())
    outcomes = sheet_of(book_of(grade(ADA, QUEUE, more, less)), ADA).exercises[0].outcomes
    assert [outcome.machines for outcome in outcomes if outcome.counts] == ["vm"]


def test_the_mean_of_machines_names_none_of_them() -> None:
    book = the_class()
    lab = book.lab.lab.model_copy(update={"across": "mean"})
    sheet = sheet_of(replace(book, lab=replace(book.lab, lab=lab)), BOB)
    assert sheet.exercises[0].counting == "The mean of the machines counts."
    assert not any(outcome.counts for outcome in sheet.exercises[0].outcomes)


@every_form
def test_the_compiler_is_quoted_once(form: Callable[..., str]) -> None:
    page = form(the_class(), BOB)
    assert page.count("queue.c:3:5: error: expected") == 1
    assert "not gradable" in page


@every_form
def test_a_reason_that_names_its_machine_is_not_repeated(form: Callable[..., str]) -> None:
    reason = "on s390x: order: got no, expected yes"
    graded = grade(BOB, QUEUE, queue(), queue("s390x", held=False), reason=reason)
    assert said(form(book_of(graded), BOB)).count("got no") == 1


@every_form
def test_a_time_out_says_the_limit_the_factor_and_what_was_printed_last(form: Callable[..., str]) -> None:
    words = said(form(the_class(), IVY))
    assert "timed out after 12 s" in words
    assert "gives each step 5 s on a fast machine" in words
    assert "2.4 times as long: 12 s" in words
    assert "still wai" in words
    assert "– not counted" in words


@every_form
def test_no_result_costs_nothing(form: Callable[..., str]) -> None:
    words = said(form(the_class(), IVY))
    assert NO_LOSS in words
    assert "0 of 3 points, and 1 exercise without a result" in words
    assert "– of 7" in words


@every_form
def test_who_handed_in_nothing_is_told_so(form: Callable[..., str]) -> None:
    for book in (the_class(), book_of()):
        words = said(form(book, ZOE))
        assert NOTHING in words
        assert "isolab run" not in words


@every_form
def test_who_may_have_handed_in_is_not_told_otherwise(form: Callable[..., str]) -> None:
    unclear = replace(absent(ZOE, WIRE), verdict=Verdict.NO_RESULT, points=None, unclear=True)
    words = said(form(book_of(unclear), ZOE))
    assert UNCLEAR in words
    assert NOTHING not in words


def test_nothing_for_one_exercise_is_not_nothing_at_all() -> None:
    sheet = sheet_of(book_of(grade(ADA, WIRE, wire()), absent(ADA, QUEUE)), ADA)
    assert not sheet.absent
    assert [each.verdict for each in sheet.exercises] == ["scored", "not handed in"]


@every_form
def test_each_attempt_is_told_and_the_latest_is_summed(form: Callable[..., str]) -> None:
    words = said(form(the_class(), ROY))
    assert "attempt 1" in words
    assert "attempt 2" in words
    assert "9 of 10 points (latest attempts)" in words
    assert "Handed in 2027-03-09 09:12+08:00, marked late" in words


@every_form
def test_the_headline_is_what_counts(form: Callable[..., str]) -> None:
    """Under ``keep: best`` that may be an earlier attempt, with what the policy leaves of its points."""
    attempts = [replace(grade(ROY, WIRE, wire()), points=points, attempt=number, records=())
                for number, points in ((1, 2.5), (2, 1.0))]  # fmt: skip
    best = Counted(attempts[0], 2.25, "1", "", "1 day late: -0.25")
    adjusted = {WIRE: "2.25 points count"}
    words = said(form(book_of(*attempts), ROY, adjusted=adjusted, counting={WIRE: best}))
    assert f"2.25 of {attempts[0].max_points:g} points (the attempts that count)" in words
    assert "attempt 1, counts" in words
    assert "attempt 2, counts" not in words
    assert words.count("2.25 points count") == 1


@every_form
def test_it_tells_how_to_run_the_visible_tests(form: Callable[..., str]) -> None:
    assert "isolab run FOLDER --work MY-WORK --exercise work/wire" in said(form(the_class(), ADA))


@every_form
def test_words_about_policy_are_passed_on(form: Callable[..., str]) -> None:
    page = form(the_class(), ROY, notes=["Two days late."], adjusted={QUEUE: "After policy: 2.7 points."})
    assert "Two days late." in said(page)
    assert said(page).count("After policy: 2.7 points.") == 2  # for each attempt


@every_form
def test_hostile_words_are_shown_and_do_nothing(form: Callable[..., str]) -> None:
    page = form(the_class(), EVE)
    assert not {*page} & {*"\x1b\x00\u202e"}
    assert r"\x1b[31mred" in html.unescape(page).replace(r"\\", "\\").replace(r"\[", "[")
    assert len(page.encode()) < 200_000
    if form is feedback_html:
        tags = Tags(page)
        assert tags.open == []
        assert "script" not in tags.seen
    else:
        outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", page)
        assert "<script" not in outside


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    page = feedback_html(the_class(), ADA)
    assert "default-src 'none'; style-src 'sha256-" in html.unescape(page)
    assert "script-src" not in page
    assert Tags(page).open == []
    assert not re.search(r"(src|href)=\"(?!#)", page)


def test_a_program_that_passed_is_not_quoted() -> None:
    assert sheet_of(the_class(), ADA).exercises[0].outcomes[0].output == ()


def test_tests_worth_no_points_are_shown_if_missed() -> None:
    ended = CheckResult("exit_code", True, "0", "0", "normal exit")
    for held, shown in ((True, ["order"]), (False, ["exit_code", "order"])):
        record = queue(held=False, checks=(replace(ended, held=held), *queue(held=False).checks))
        (outcome,) = sheet_of(book_of(grade(ADA, QUEUE, record)), ADA).exercises[0].outcomes
        assert [test.name for test in outcome.tests] == shown


def test_a_flood_is_bounded() -> None:
    checks = tuple(CheckResult(f"x{n}", False, "y" * 9000, "z" * 9000, "w" * 9000) for n in range(2000))
    flood = "\x1b" * 1_000_000
    worst = record(QUEUE, "vm", status=Status.FAIL, reason=flood, stdout=flood, stderr=flood, checks=checks)
    many = {f"{flood[:300]}{n}": DIGEST for n in range(9000)}
    said = {"files": many, "remarks": tuple(many), "reason": flood}
    one = grade(EVE, QUEUE, worst, verdict=Verdict.NOT_GRADABLE, **said)
    for form in FORMS:
        page = form(book_of(one), EVE)
        assert len(page.encode()) < 1_000_000
        assert "and 1800 more" in page  # tests
        assert "and 8900 more" in page  # files
        assert "and 8960 more" in page  # remarks


@settings(max_examples=20, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=40))
def test_anything_may_be_in_a_name_a_remark_or_an_output(text: str) -> None:
    who = Student(text, text, group=text)
    failed = queue(held=False, stdout=text, stderr=text, reason=text)
    one = grade(who, QUEUE, failed, remarks=(text,), files={text: text}, reason=text, unstable=(text,))
    book = book_of(one)
    assert Tags(feedback_html(book, who, notes=[text])).open == []
    assert feedback_markdown(book, who).encode()


if __name__ == "__main__":
    for golden, make in GOLDEN_PAGES.items():
        (FILES / golden).write_text(make(), encoding="utf-8")
