"""What students get of a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.labs import open_lab
from orchestrator.errors import SpecError
from orchestrator.exercises.parameters import example, values
from orchestrator.grading.hand_out import hand_out
from orchestrator.paths import ROOT
from orchestrator.submissions.model import Student

KEY = bytes(range(32))
CLASS = (Student("ada"), Student("../bob"))


def test_hidden_tests_and_solutions_stay_at_home(tmp_path: Path) -> None:
    target = tmp_path / "out"
    names = hand_out(open_lab("workshop"), target, (), KEY)
    assert "./work/trusted-sender" in names
    files = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert "work/trusted-sender/skeleton/service.c" in files
    assert "work/support/child.c" in files
    secret = ("hidden", "solution/", "wrong/", "alternatives/", "prober")
    assert [name for name in files if any(word in name for word in secret)] == []
    assert open_lab(str(target)).exercises[0].hidden is None


def test_each_student_gets_their_own_values(tmp_path: Path) -> None:
    lab = open_lab(str(ROOT / "tests/labs/parameters"))
    hand_out(lab, tmp_path / "out", CLASS, KEY)
    (exercise,) = lab.exercises
    folders = sorted((tmp_path / "out").iterdir())
    assert len(folders) == len(CLASS)
    for student in CLASS:
        own = values(exercise.spec, exercise.name, student.id, KEY)
        copies = [open_lab(str(folder)).exercises[0] for folder in folders]
        mine = [example(copy) for copy in copies if example(copy).items() <= own.items()]
        assert len(mine) == 1
        assert mine[0]  # the visible ones at least


def test_a_parameter_of_hidden_tests_only_is_not_in_the_copy(tmp_path: Path) -> None:
    lab = open_lab(str(ROOT / "tests/labs/parameters"))
    hand_out(lab, tmp_path / "out", (), KEY)
    (copy,) = open_lab(str(tmp_path / "out")).exercises
    assert set(copy.spec.parameters) < set(lab.exercises[0].spec.parameters)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is not empty"):
        hand_out(open_lab("workshop"), Path(__file__).parent, (), KEY)
