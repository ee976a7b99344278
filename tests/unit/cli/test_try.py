"""What `try` prints and how it exits: the words, the JSON and the exit code never disagree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories import record

from orchestrator.cli import try_
from orchestrator.errors import Exit
from orchestrator.record import Record, Status
from orchestrator.results.answers import answers_of


def ran(machine: str, **changes: Any) -> Record:
    return record(machine=machine, **{"status": Status.PASS, "exit_code": 0, "stdout": "x\n", **changes})


KILLED = {"status": Status.FAIL, "exit_code": None, "signal": "SIGKILL"}
CASES: list[tuple[list[Record], Exit]] = [
    ([ran("a"), ran("b")], Exit.PASSED),
    ([ran("a", exit_code=3, status=Status.FAIL), ran("b", exit_code=3, status=Status.FAIL)], Exit.PASSED),
    ([ran("a")], Exit.PASSED),
    ([ran("a"), ran("b", stdout="y\n")], Exit.FAILED),
    ([ran("a", stdout="pid 1\n"), ran("b", stdout="pid 2\n")], Exit.FAILED),
    ([ran("a"), ran("b", status=Status.SKIP, reason="needs root", exit_code=None)], Exit.FAILED),
    ([ran("a"), ran("b", status=Status.ERROR, reason="does not compile", exit_code=None)], Exit.FAILED),
    ([ran("a"), ran("b", status=Status.ERROR, reason="not up", exit_code=None)], Exit.INFRASTRUCTURE),
    ([ran("a", killed_for="timeout", **KILLED), ran("b", killed_for="timeout", **KILLED)], Exit.FAILED),
    ([ran("a", killed_for="output", **KILLED)], Exit.FAILED),
    ([ran("a", killed_for="memory", **KILLED), ran("b", killed_for="memory", **KILLED)], Exit.FAILED),
    ([ran("a", killed_for="unknown", **KILLED)], Exit.FAILED),
    ([ran("a", cut=True), ran("b", cut=True)], Exit.FAILED),
]


@pytest.mark.parametrize(("records", "exit_code"), CASES)
def test_words_json_and_exit_code_agree(
    records: list[Record], exit_code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = answers_of(records)
    assert try_._exit(records, answers) is exit_code
    text = try_._render("p.c", records, answers, 1.0)
    same = "the same on all" in text or ("result on" in text and len(records) == 1)
    assert same == (exit_code is Exit.PASSED)
    try_._print_json(records, answers, [], 1.0, {})
    data = json.loads(capsys.readouterr().out)
    assert (data["same"], data["exit_code"]) == (exit_code is Exit.PASSED, exit_code)
    assert [machine["machine"] for machine in data["machines"]] == [each.machine for each in records]
    told = [name for answer in data["answers"] for name in answer["machines"]]
    assert sorted(told) == sorted(each.machine for each in records)


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([ran("a", killed_for="timeout", guest_seconds=1.5, **KILLED)], "stopped by isolab: time limit"),
        ([ran("a", killed_for="output", **KILLED)], "stopped by isolab: too much output"),
        ([ran("a", killed_for="memory", **KILLED)], "killed by the kernel: out of memory"),
    ],
)
def test_the_table_says_who_ended_a_program(records: list[Record], words: str) -> None:
    table, _, rest = try_._render("p.c", records, answers_of(records), 1.0).partition("\n\n")
    assert words in table
    assert words in rest
