"""Exercises with parameters on real machines: a program sees values, never placeholders."""

from __future__ import annotations

import shutil

import pytest
from command import records, run_lab
from habitat import fresh_home
from places import LABS

from orchestrator.exercises.parameters import example
from orchestrator.labfile.load import load_exercise

pytestmark = pytest.mark.real

FOLDER = LABS / "parameters"


def test_the_reference_solution_answers_with_the_example_students_values() -> None:
    given = example(load_exercise(FOLDER / "answer", "./answer"))
    with fresh_home() as home:
        answer = run_lab(home, "parameters")
        assert answer.code == 0, answer.stdout + answer.stderr
        (record,) = records(home)
    assert record["observations"] == {
        "port": given["port"],
        "greeting": f"<{given['greeting']}>",
        "token": f"<{given['token']}>",
    }
    assert "${" not in str(record)
    assert str(given["token"]) not in str(record["student_view"])


def test_a_copied_constant_fails() -> None:
    with fresh_home() as home:
        shutil.copytree(FOLDER / "answer/wrong/constant", home.root / "work")
        answer = run_lab(home, "parameters", "--work", str(home.root / "work"), "--only", "process")
        assert answer.code == 1, answer.stdout + answer.stderr
        (record,) = records(home)
    assert [one["that"] for one in record["checks"] if not one["held"]] == ["port"]
    assert record["reason"].startswith("port: got 20001, expected ")
