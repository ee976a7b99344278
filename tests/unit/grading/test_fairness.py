"""The table of rules: what tells a breach, what it is worth, and which wrong solutions prove it."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import loaded

from orchestrator.cli.self_test_words import self_test_data, self_test_words
from orchestrator.grading.fairness import RuleInfo, rules
from orchestrator.grading.self_test import Finding
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Hidden

HIDDEN = {
    "checks": [
        {"that": "late", "equals": 1, "points": 2},
        {"that": "wide", "equals": 1, "points": 1, "where": {"bits": 64}},
        {"that": "wide", "equals": 2, "points": 1, "where": {"bits": 32}},
        {"that": "other", "equals": 1},
    ],
    "wrong": {"too-late": ["late"], "narrow": ["wide"]},
    "rules": {"in time,\n  always": ["late", "wide"], "alone": ["other"]},
    "untested": {"no threads": "nobody would see them"},
}


@pytest.fixture
def exercise(tmp_path: Path) -> LoadedExercise:
    data = {"student": {"files": ["a.c"]}, "run": "./a", "checks": [{"that": "seen", "equals": 1}]}
    plain = loaded(tmp_path, data)
    return LoadedExercise(plain.name, plain.folder, plain.spec, Hidden.model_validate(HIDDEN))


def finding(place: str, *missed: str, fault: str = "", exercise: str = "ipc/pipe") -> Finding:
    return Finding(exercise, place, 4.0, 5.0, missed, fault)


def test_each_rule_has_its_tests_their_points_and_who_broke_it(exercise: LoadedExercise) -> None:
    found = rules(
        [exercise],
        [
            finding("solution"),
            finding("wrong/too-late", "late", "wide"),
            finding("wrong/narrow", "wide"),
            finding("wrong/elsewhere", "late", exercise="ipc/fifo"),
        ],
    )
    assert found == [
        RuleInfo("ipc/pipe", "in time,\n  always", ("late", "wide"), 3.0, ("too-late", "narrow")),
        RuleInfo("ipc/pipe", "alone", ("other",), 1.0, ()),
        RuleInfo("ipc/pipe", "no threads", (), 0.0, (), "nobody would see them"),
    ]


def test_a_right_solution_that_loses_points_proves_nothing(exercise: LoadedExercise) -> None:
    (first, *_) = rules([exercise], [finding("alternatives/other", "late", fault="vm: late: got 0")])
    assert first.proved_by == ()


def test_an_exercise_without_hidden_tests_has_no_rules(tmp_path: Path) -> None:
    assert rules([loaded(tmp_path, {"run": "./a"})], []) == []


def test_words_and_data_tell_the_same(exercise: LoadedExercise) -> None:
    wrong = [finding("wrong/too-late", "late"), finding("wrong/narrow", fault="x")]
    findings = [finding("alternatives/other"), *wrong]
    found = rules([exercise], findings)
    lines = [" ".join(line.split()) for line in self_test_words(findings, found).splitlines()]
    assert "ipc/pipe alternatives/other 4 of 5 as it should" in lines
    assert "ipc/pipe in time, always late, wide 3 too-late" in lines
    assert "ipc/pipe alone other 1 none that ran here" in lines
    assert "ipc/pipe no threads none untested: nobody would see them" in lines
    assert "3 solutions: 1 with other points than it should have" in lines
    assert "3 rules: 2 with tests, 1 of them proved by wrong solutions" in lines
    data = self_test_data(findings, found)
    assert (data["faults"], len(data["solutions"]), len(data["rules"])) == (1, 3, 3)
    assert data["rules"][0]["proved_by"] == ["too-late"]


def test_a_lab_without_rules_has_one_table() -> None:
    assert self_test_words([finding("solution")], []).count("EXERCISE") == 1
