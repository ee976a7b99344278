"""Feedback for one student: a self-contained HTML page, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from orchestrator.gradebook.counted import Counted
from orchestrator.gradebook.feedback_sheet import (
    FOLDERS,
    NEVER_ENTERED,
    NOTHING,
    ExerciseSheet,
    FeedbackSheet,
    SharedResult,
    sheet_of,
)
from orchestrator.gradebook.pages import page
from orchestrator.grading.model import Gradebook
from orchestrator.report.markdown import code, escape, grid
from orchestrator.report.wording import SYMBOLS
from orchestrator.submissions.model import Student

_NONE: Mapping[str, str] = MappingProxyType({})
_ALL_LAST: Mapping[str, Counted] = MappingProxyType({})


def feedback_html(
    book: Gradebook,
    student: Student,
    *,
    notes: Sequence[str] = (),
    adjusted: Mapping[str, str] = _NONE,
    counting: Mapping[str, Counted] = _ALL_LAST,
) -> str:
    """Return a student's feedback as an HTML document.

    ``notes`` are sentences for its top, such as how late the submission was; ``adjusted`` says for an
    exercise, by its name, what the course's policy makes of the points, and ``counting`` which attempt
    counts. A student without a grade gets a page
    that says that nothing was handed in.
    """
    sheet = sheet_of(book, student, notes, adjusted, counting)
    return page(
        "feedback.html.j2",
        sheet=sheet,
        symbols=SYMBOLS,
        nothing=NOTHING,
        folders=FOLDERS,
        never_entered=NEVER_ENTERED,
    )


def feedback_markdown(
    book: Gradebook,
    student: Student,
    *,
    notes: Sequence[str] = (),
    adjusted: Mapping[str, str] = _NONE,
    counting: Mapping[str, Counted] = _ALL_LAST,
) -> str:
    """Return the same as ``feedback_html`` in GitHub's Markdown."""
    return "\n".join(_lines(sheet_of(book, student, notes, adjusted, counting))) + "\n"


def _lines(sheet: FeedbackSheet) -> Iterator[str]:
    group = f", group {sheet.student.group}" if sheet.student.group else ""
    yield from (f"# {escape(sheet.who)}", "", f"Feedback: {escape(sheet.lab)}", "")
    yield from (escape(f"{sheet.student.id}{group}"), "")
    if sheet.absent:
        yield from (f"**{NOTHING}**", "")
    yield from (f"**{escape(sheet.total)}**", "")
    for words in sheet.notes:
        yield from (escape(words), "")
    if sheet.exercises:
        yield from grid(["exercise", "verdict", "points"], [_row(each) for each in sheet.exercises])
        yield ""
    yield from _list("## What was handed in", sheet.remarks)
    for each in sheet.exercises:
        yield from _exercise(each)
    yield from ("---", "", NEVER_ENTERED)


def _row(each: ExerciseSheet) -> list[str]:
    name = f"{each.name} ({each.attempt})" if each.attempt else each.name
    return [escape(name), f"{SYMBOLS[each.kind]} {each.verdict}", escape(each.points)]


def _list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from (heading, "", *(f"- {escape(words)}" for words in lines), "")


def _exercise(each: ExerciseSheet) -> Iterator[str]:
    name = f"{each.name} ({each.attempt})" if each.attempt else each.name
    yield from (f"## {escape(name)}", "")
    if each.title:
        yield from (escape(each.title), "")
    yield from (f"**{SYMBOLS[each.kind]} {each.verdict}, {each.points} points.** {each.sentence}", "")
    if each.reason:
        yield from code(each.reason)
    for words in (*each.notes, *([each.counting] if each.counting else [])):
        yield from (escape(words), "")
    for outcome in each.outcomes:
        yield from _outcome(outcome)
    if each.files or each.remarks:
        yield from ("### What was taken", "")
    if each.files:
        yield from grid(["file", "SHA-256"], [[escape(part) for part in row] for row in each.files])
        yield ""
    if each.remarks:
        yield from (*(f"- {escape(words)}" for words in each.remarks), "")
    if each.command:
        yield from ("### Run the visible tests yourself", "", FOLDERS)
        yield from code(each.command)


def _outcome(outcome: SharedResult) -> Iterator[str]:
    counts = ", counts" if outcome.counts else ""
    verdict = f"{SYMBOLS[outcome.status]} {outcome.verdict}{counts}"
    yield from (f"### On {escape(outcome.machines)}: {escape(verdict)}", "")
    if outcome.reason:
        yield from code(outcome.reason)
    if outcome.limit:
        yield from (escape(outcome.limit), "")
    if outcome.tests:
        rows = [
            [escape(test.name), test.result, escape(test.points), _cell(test.words)] for test in outcome.tests
        ]
        yield from grid(["test", "result", "points", "what was seen"], rows)
        yield ""
    if outcome.hidden:
        yield from (f"{outcome.hidden}.", "")
    for name, text in outcome.output:
        yield from (f"{escape(name)}:", *code(text))


def _cell(words: str) -> str:
    """Return lines for a cell of a table."""
    return "<br>".join(escape(" ".join(line.split())) for line in words.split("\n"))
