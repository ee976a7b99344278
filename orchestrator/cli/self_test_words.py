"""What `isolab grade --self-test` says: how a lab's own solutions fared, and what each rule is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.cli.output import table
from orchestrator.formatting import bounded, counted
from orchestrator.grading.fairness import RuleInfo
from orchestrator.grading.self_test import Finding

_RULE, _NAMES = 58, 44
"""Widths of columns of the rules' table; JSON has all of them."""


def self_test_words(findings: Sequence[Finding], rules: Sequence[RuleInfo]) -> str:
    """Return both tables, each with its sum."""
    return "\n\n".join([_solutions(findings), *([_rules(rules)] if rules else [])])


def self_test_data(findings: Sequence[Finding], rules: Sequence[RuleInfo]) -> dict[str, Any]:
    """Return the same as data for JSON."""
    return {
        "faults": sum(1 for one in findings if one.fault),
        "solutions": [
            {
                "exercise": one.exercise,
                "solution": one.place,
                "points": one.points,
                "max": one.max_points,
                "missed": list(one.missed),
                "fault": one.fault,
            }
            for one in findings
        ],
        "rules": [
            {
                "exercise": one.exercise,
                "rule": one.rule,
                "tests": list(one.tests),
                "points": one.points,
                "proved_by": list(one.proved_by),
                "untested": one.untested,
            }
            for one in rules
        ],
    }


def _solutions(findings: Sequence[Finding]) -> str:
    rows = [
        (
            one.exercise,
            one.place,
            "no result" if one.points is None else f"{one.points:g} of {one.max_points:g}",
            counted(len(one.missed), "check") + " missed" if one.missed else "",
            one.fault or "as it should",
        )
        for one in findings
    ]
    faults = sum(1 for one in findings if one.fault)
    end = f"{counted(len(findings), 'solution')}: {faults or 'none'} with other points than it should have"
    return table(("EXERCISE", "SOLUTION", "POINTS", "TESTS", "VERDICT"), rows) + f"\n\n{end}"


def _rules(rules: Sequence[RuleInfo]) -> str:
    rows = [
        (
            one.exercise,
            bounded(" ".join(one.rule.split()), _RULE),
            bounded(", ".join(one.tests), _NAMES) or "none",
            f"{one.points:g}" if one.tests else "",
            bounded(_proof(one), _NAMES),
        )
        for one in rules
    ]
    tested = [one for one in rules if one.tests]
    proved = sum(1 for one in tested if one.proved_by)
    end = (
        f"{counted(len(rules), 'rule')}: {len(tested)} with tests, {proved} of them proved by wrong solutions"
    )
    return table(("EXERCISE", "RULE", "TESTS", "POINTS", "A BREACH WAS NOTICED IN"), rows) + f"\n\n{end}"


def _proof(one: RuleInfo) -> str:
    if not one.tests:
        return f"untested: {' '.join(one.untested.split())}"
    return ", ".join(one.proved_by) or "none that ran here"
