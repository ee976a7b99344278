"""What a result derived again has different, in words; what differs each time is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from factories import record

from orchestrator.grading.differences import differences, same_verdict
from orchestrator.record import CheckResult, Record, Status

CHECKS = (
    CheckResult("answer", held=True, got="42", expected="42", points=2.0, max_points=2.0),
    CheckResult("answer", held=True, got="42", expected="42", points=1.0, max_points=1.0, hidden=True),
)
OLD = record(
    status=Status.PASS,
    points=3.0,
    max_points=3.0,
    exit_code=0,
    observations={"answer": 42},
    stdout='{"answer": 42}',
    stdout_bytes=14,
    stdout_sha256="a" * 64,
    checks=CHECKS,
)


def changed(**values: Any) -> Record:
    return replace(OLD, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"run": "other"},
        {"host": "lab2"},
        {"start": "cold"},
        {"seconds": 9.0, "guest_seconds": 8.0},
        {"contention": 12.5},
        {"platform": {"kernel": "6.1.0"}},
        {"observations": {"answer": 42.0, "start_seconds": 1.5, "memory_bytes": 7}},
        {"student_view": {"reason": "x"}},
    ],
    ids=",".join,
)
def test_what_differs_each_time_is_no_difference(values: dict[str, Any]) -> None:
    assert differences(OLD, changed(**values)) == ()
    assert same_verdict(OLD, changed(**values))


def test_a_lost_check_is_named_with_its_points() -> None:
    lost = (CHECKS[0], CheckResult("answer", held=False, got="7", expected="42", max_points=1.0, hidden=True))
    new = changed(status=Status.FAIL, points=2.0, checks=lost, reason="answer is 7", exit_code=1)
    assert differences(OLD, new) == (
        "verdict: pass, now fail",
        "points: 3, now 2",
        "check hidden answer: held (1 of 1 points), now did not hold (0 of 1 points)",
        "exit code: 0, now 1",
        "reason: nothing, now answer is 7",
    )
    assert not same_verdict(OLD, new)


def test_other_output_alone_is_said_and_is_no_other_verdict() -> None:
    new = changed(observations={"pid": 7}, stdout='{"pid": 7}', stdout_bytes=10)
    assert differences(OLD, new) == (
        "observation answer: 42, now nothing",
        "observation pid: nothing, now 7",
        "standard output is not the same",
    )
    assert same_verdict(OLD, new)


def test_output_beyond_what_is_kept_is_compared_by_its_digest() -> None:
    assert differences(OLD, changed(stdout_sha256="b" * 64)) == ("standard output is not the same",)


def test_checks_of_one_observation_are_told_apart() -> None:
    twice = (CHECKS[0], CHECKS[0])
    second_lost = (CHECKS[0], CheckResult("answer", held=False, got="7", expected="42", max_points=2.0))
    assert differences(changed(checks=twice), changed(checks=second_lost)) == (
        "check answer (2): held (2 of 2 points), now did not hold (0 of 2 points)",
    )
    assert differences(OLD, changed(checks=CHECKS[:1])) == ("check hidden answer: only in the old result",)


def test_what_programs_wrote_is_made_printable() -> None:
    (words,) = differences(OLD, changed(reason="\x1b[2J"))
    assert words == "reason: nothing, now \\x1b[2J"
