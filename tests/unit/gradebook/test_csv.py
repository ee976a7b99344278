"""``grades.csv``, against a file written by hand."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import made_up_gradebook as made_up
import pytest
from places import TESTS

from orchestrator.gradebook import Exports, write
from orchestrator.gradebook.csv import read_id
from orchestrator.gradebook.policy import Amount, Policy
from orchestrator.submissions.model import Student

GOLDEN = TESTS / "golden" / "gradebook"
POLICY = Policy(due=made_up.DUE, penalty_per_day=Amount(10, percent=True), late_days=1)


def test_grades_are_written_as_the_format_says(tmp_path: Path) -> None:
    written = write(made_up.gradebook(), tmp_path / "new" / "grades", Exports(policy=POLICY)).files
    assert tmp_path / "new" / "grades" / "grades.csv" in written
    assert written[0].read_bytes() == (GOLDEN / "grades.csv").read_bytes()


@pytest.mark.parametrize("name", ["s1", "007", "'quoted", "-1", "=1+1", "'=x", "a;b", 'a"b'])
def test_an_id_survives_the_round_trip(tmp_path: Path, name: str) -> None:
    book = made_up.gradebook((made_up.grade(Student(name)),))
    [path] = [path for path in write(book, tmp_path, Exports()).files if path.name == "grades.csv"]
    [_, row, _] = csv.reader(StringIO(path.read_text()))
    assert not row[0].startswith(("=", "-"))
    assert read_id(row[0]) == name
