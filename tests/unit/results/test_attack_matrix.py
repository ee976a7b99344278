"""The attack matrix: a verdict per canary and machine, what decided it, and how reports show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from factories import record

from orchestrator.labfile.models import Exercise
from orchestrator.record import Record, Status
from orchestrator.report import render
from orchestrator.results.attack_matrix import AttackMatrix, Outcome, matrix_of
from orchestrator.results.comparison import contrast

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
    return matrix_of(contrast(records, SPECS))


def test_a_row_per_canary_and_none_for_what_attacks_nothing() -> None:
    attacks = matrix().attacks
    assert [(a.exercise, a.canary) for a in attacks] == [
        ("damage/files", "file"), ("damage/files", "kernel-log"),
    ]  # fmt: skip
    assert [a.label for a in attacks] == ["Overwrite a file", "write to the host's kernel log"]


@pytest.mark.parametrize(
    ("machine", "outcome", "found", "by"),
    [
        ("process", Outcome.THROUGH, "written", "same user"),
        ("vm", Outcome.BLOCKED, "untouched", "own kernel"),
        ("emulated", Outcome.THROUGH, "read", "big"),
        ("sandbox", Outcome.NONE, "needs root", ""),
    ],
)
def test_the_verdict_is_the_canarys_and_the_reason_that_of_its_check(
    machine: str, outcome: Outcome, found: str, by: str
) -> None:
    place = [column.machine for column in matrix().machines].index(machine)
    attempt = matrix().attacks[0].attempts[place]
    assert (attempt.outcome, attempt.found, attempt.by) == (outcome, found, by)


def test_a_canary_that_was_not_planted_is_no_verdict() -> None:
    place = [column.machine for column in matrix().machines].index("process")
    assert matrix().attacks[1].attempts[place].outcome is Outcome.NONE


def test_only_untouched_is_blocked_whatever_else_it_says() -> None:
    hostile = [on("vm", {"file_canary": "blocked\x1b[31m"})]
    (attempt,) = matrix(hostile).attacks[0].attempts
    assert (attempt.outcome, attempt.found) == (Outcome.THROUGH, "blocked\\x1b[31m")


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_reports_for_people_have_the_matrix_and_what_decided_it(form: str) -> None:
    report = render(form, contrast(RECORDS, SPECS))
    for words in ("NOT blocked", "does not apply", "own kernel", "needs root", "Overwrite a file"):
        assert words in report


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_without_attacks_there_is_no_matrix(form: str) -> None:
    assert "canaries" not in render(form, contrast(RECORDS[-1:], SPECS))
