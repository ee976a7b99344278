"""When it may be said that all machines gave the same answers, and what is said otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from factories import record

from orchestrator.record import Record, Status
from orchestrator.report import render
from orchestrator.results.agreement import all_alike, reservations
from orchestrator.results.comparison import Table, compare

SAME = "all machines gave the same answers"


def ran(machine: str, **changes: Any) -> Record:
    known: dict[str, Any] = {
        "status": Status.PASS,
        "exit_code": 0,
        "observations": {"a": 1},
        "stdout": '{"a": 1}\n',
    }
    return record(machine=machine, **(known | changes))


def of(*changes: dict[str, Any]) -> Table:
    return compare([ran("one"), *(ran(f"m{n}", **each) for n, each in enumerate(changes))])


def test_it_is_said_where_everything_is_alike() -> None:
    table = of({}, {})
    assert all_alike(table)
    for form in ("text", "markdown", "html"):
        assert f"No differences: {SAME}." in render(form, table)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": Status.SKIP, "observations": {}, "exit_code": None}, "not every exercise ran on m0"),
        ({"status": Status.ERROR, "observations": {}, "exit_code": None}, "not every exercise ran on m0"),
        (
            {"exit_code": None, "status": Status.FAIL, "reason": "could not start"},
            "not every exercise ran on m0",
        ),
        ({"killed_for": "timeout"}, "programs were stopped or killed on m0"),
        ({"killed_for": "memory"}, "programs were stopped or killed on m0"),
        ({"stdout": "more\n"}, "programs printed differently in ipc/pipe"),
        ({"stderr": "warning\n"}, "programs printed differently in ipc/pipe"),
        ({"stdout_sha256": "1"}, "programs printed differently in ipc/pipe"),
        ({"cut": True}, "programs printed differently in ipc/pipe"),
    ],
)
def test_it_is_not_said_if_anything_stands_against_it(changes: dict[str, Any], words: str) -> None:
    table = of(changes)
    assert words in reservations(table)
    for form in ("text", "markdown", "html"):
        text = " ".join(render(form, table).split())
        assert SAME not in text
        if not any(row.differs for row in table.rows):
            assert f"No differences in what was observed, but: {reservations(table)[0]}" in text


def test_an_exercise_that_a_machine_never_reached_stands_against_it() -> None:
    table = compare([ran("a"), ran("b"), ran("a", exercise="ipc/fifo")])
    assert reservations(table) == ("not every exercise ran on b",)


def test_endings_that_differ_are_a_row() -> None:
    table = of({"exit_code": 1, "status": Status.FAIL}, {"exit_code": None, "signal": "SIGSEGV"})
    row = next(row for row in table.rows if row.key == "ended")
    assert [group.text for group in row.groups] == ["exit 0", "exit 1", "killed by SIGSEGV"]
    assert "ended" not in [row.key for row in of({}).rows]


def test_a_program_that_observes_nothing_is_compared_by_what_it_prints() -> None:
    blank = {"observations": {}, "stdout": "x\n"}
    same = compare([ran("a", **blank), ran("b", **blank)])
    assert [(row.key, row.same) for row in same.rows] == [("stdout", True)]
    other = compare([ran("a", **blank), ran("b", **(blank | {"stdout": "y\n", "stderr": "z"}))])
    assert [(row.key, row.differs) for row in other.rows] == [("stdout", True), ("stderr", True)]
    late = {"cut": True, "stderr_sha256": "e"}
    cut = compare(
        [ran("a", **blank, **late, stdout_sha256="1"), ran("b", **blank, **late, stdout_sha256="2")]
    )
    assert [row.differs for row in cut.rows] == [True]
    assert len({*cut.rows[0].texts}) == 2


def test_bytes_that_are_no_text_are_shown_where_they_differ() -> None:
    one, other = (
        ran(name, observations={}, stdout="\ufffd", stdout_escaped=text, stdout_sha256=text)
        for name, text in (("a", "\\xff"), ("b", "\\xfe"))
    )
    (row,) = compare([one, other]).rows
    assert row.texts == ("\\xff", "\\xfe")


def test_a_single_machine_and_no_results_claim_nothing() -> None:
    assert "there is only one machine" in render("text", compare([ran("a")]))
    assert "No differences: there are no results." in render("text", compare([]))
