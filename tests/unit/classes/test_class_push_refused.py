"""What a lecturer cannot push into students' home folders, by whatever path."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_term import made_up_class

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.work import push
from orchestrator.classes.work.push import push_files
from orchestrator.deadline import Cancellation
from orchestrator.errors import SpecError
from orchestrator.progress import SilentProgress


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    """A class whose folder has everything; what is pushed goes nowhere."""
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(push, "_everywhere", lambda *_: [])
    found = made_up_class(tmp_path / "term", 1)
    for name in (
        "handouts/s00.html",
        "collected/s00/desk/notes",
        "grades/week1/grades.csv",
        "slides/week3.pdf",
    ):
        (tmp_path / "term" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "term" / name).touch()
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(tmp_path / "term")
    return found


def pushed(found: LoadedClass, path: Path) -> None:
    push_files(found, found.seats, [path], SilentProgress(), Cancellation())


@pytest.mark.parametrize(
    "name",
    [
        "term",
        "link",
        ".",
        "term/handouts",
        "term/handouts/s00.html",
        "term/collected/s00/desk/notes",
        "term/grades/week1/grades.csv",
        "term/class.yaml",
        "term/roster.csv",
        "term/slides/..",
        "state",
    ],
)
def test_the_class_and_what_it_knows_stays_here(found: LoadedClass, tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="not for students"):
        pushed(found, tmp_path / name)


def test_hidden_tests_stay_here(found: LoadedClass, tmp_path: Path) -> None:
    hidden = tmp_path / "term/paper/work/one/hidden.yaml"
    hidden.parent.mkdir(parents=True)
    hidden.touch()
    for path in (hidden, tmp_path / "term/paper"):
        with pytest.raises(SpecError, match="hidden tests") as raised:
            pushed(found, path)
        assert "--for student" in raised.value.hint


@pytest.mark.parametrize("name", ["term/slides", "term/slides/week3.pdf"])
def test_what_lies_beside_them_goes(found: LoadedClass, tmp_path: Path, name: str) -> None:
    pushed(found, tmp_path / name)
