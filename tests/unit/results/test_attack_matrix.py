"""The attack matrix: a verdict per canary and machine, what decided it, and how reports show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from factories import record

from orchestrator.labfile.models import Exercise
from orchestrator.record import Record, Status
from orchestrator.report import render
from orchestrator.results.attack_matrix import AttackMatrix, AttackOutcome, matrix_of
from orchestrator.results.comparison import compare

FILES = Exercise.model_validate(
    {
        "title": "Files",
        "run": "./files",
        "canaries": ["file", "kernel-log"],
        "shows": {"file_canary": "Overwrite a file"},
        "checks": [
            {
                "that": "file_canary",
                "equals": "written",
                "why": "same user",
                "where": {"boundary": ["process"]},
            },
            {
                "that": "file_canary",
                "equals": "untouched",
                "why": "own kernel",
                "where": {"boundary": ["vm"]},
            },
            {"that": "file_canary", "equals": "untouched", "why": "big", "where": {"arch": ["s390x"]}},
        ],
    }
)
SPECS = {"damage/files": FILES, "ipc/pipe": Exercise(title="A pipe", run="./pipe")}


def on(boundary: str, seen: dict[str, Any], **changes: Any) -> Record:
    return record(
        "damage/files", machine=boundary, boundary=boundary, status=Status.PASS, observations=seen, **changes
    )


RECORDS = [
    on("process", {"file_canary": "written", "kernel_log_canary": "not planted (may not)"}),
    on("vm", {"file_canary": "untouched", "kernel_log_canary": "untouched"}),
    on("emulated", {"file_canary": "read"}, arch="s390x"),
    record("damage/files", machine="sandbox", boundary="sandbox", status=Status.SKIP, reason="needs root"),
    record("ipc/pipe", machine="vm"),
]


def matrix(records: Sequence[Record] = RECORDS) -> AttackMatrix:
    return matrix_of(compare(records, SPECS))


def test_a_row_per_canary_and_none_for_what_attacks_nothing() -> None:
    attacks = matrix().attacks
    assert [(a.exercise, a.canary) for a in attacks] == [
        ("damage/files", "file"), ("damage/files", "kernel-log"),
    ]  # fmt: skip
    assert [a.label for a in attacks] == ["Overwrite a file", "write to the host's kernel log"]


@pytest.mark.parametrize(
    ("machine", "outcome", "found", "by"),
    [
        ("process", AttackOutcome.THROUGH, "written", "same user"),
        ("vm", AttackOutcome.BLOCKED, "untouched", "own kernel"),
        ("emulated", AttackOutcome.THROUGH, "read", "big"),
        ("sandbox", AttackOutcome.NONE, "needs root", ""),
    ],
)
def test_the_verdict_is_the_canarys_and_the_reason_that_of_its_check(
    machine: str, outcome: AttackOutcome, found: str, by: str
) -> None:
    place = [column.machine for column in matrix().machines].index(machine)
    attempt = matrix().attacks[0].results[place]
    assert (attempt.outcome, attempt.found, attempt.by) == (outcome, found, by)


def test_a_canary_that_was_not_planted_is_no_verdict() -> None:
    place = [column.machine for column in matrix().machines].index("process")
    assert matrix().attacks[1].results[place].outcome is AttackOutcome.NONE


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"killed_for": "timeout"}, AttackOutcome.NONE),
        ({"killed_for": "output"}, AttackOutcome.NONE),
        ({"reason": "could not start: no such file"}, AttackOutcome.NONE),
        ({"killed_for": "memory", "signal": "SIGKILL"}, AttackOutcome.BLOCKED),
        ({"exit_code": 1}, AttackOutcome.BLOCKED),
    ],
)
def test_an_attack_that_did_not_come_to_its_end_was_not_blocked(
    changes: dict[str, Any], outcome: AttackOutcome
) -> None:
    broken_off = replace(on("vm", {"file_canary": "untouched"}), status=Status.FAIL, **changes)
    (first, *_) = matrix([broken_off]).attacks
    assert first.results[0].outcome is outcome


def test_an_attack_that_got_through_before_it_was_stopped_got_through() -> None:
    late = replace(on("vm", {"file_canary": "written"}), status=Status.FAIL, killed_for="timeout")
    assert matrix([late]).attacks[0].results[0].outcome is AttackOutcome.THROUGH


def test_only_untouched_is_blocked_whatever_else_it_says() -> None:
    hostile = [on("vm", {"file_canary": "blocked\x1b[31m"})]
    (attempt,) = matrix(hostile).attacks[0].results
    assert (attempt.outcome, attempt.found) == (AttackOutcome.THROUGH, "blocked\\x1b[31m")


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_reports_for_people_have_the_matrix_and_what_decided_it(form: str) -> None:
    report = render(form, compare(RECORDS, SPECS))
    for words in ("NOT blocked", "does not apply", "own kernel", "needs root", "Overwrite a file"):
        assert words in report


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_without_attacks_there_is_no_matrix(form: str) -> None:
    assert "canaries" not in render(form, compare(RECORDS[-1:], SPECS))
