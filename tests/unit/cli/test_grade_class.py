"""What `isolab grade` is given: a class, a lab, a folder of grades, or the receipt of a hand-in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from class_work import write_class

from orchestrator.classes.work.deposit_box import digests_of
from orchestrator.classes.work.receipt import HandInFacts, receipt
from orchestrator.classes.work.recognised import is_class, is_receipt
from orchestrator.cli.grade import Mode, Options
from orchestrator.cli.grade_class import _with
from orchestrator.cli.grade_what import grade_what
from orchestrator.errors import Exit, SpecError
from orchestrator.grading.keys import signing_key
from orchestrator.paths import LABS, state_dir


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


def test_a_class_is_told_from_a_lab(tmp_path: Path) -> None:
    write_class(tmp_path)
    (tmp_path / "autumn.yaml").write_text("# ours\nclass: autumn\n")
    assert is_class(tmp_path)
    assert is_class(tmp_path / "class.yaml")
    assert is_class(tmp_path / "autumn.yaml")
    for other in (
        tmp_path / "small",
        tmp_path / "small/lab.yaml",
        LABS / "workshop",
        tmp_path / "none",
        Path(),
    ):
        assert not is_class(other)


def test_a_class_has_its_own_roster(tmp_path: Path) -> None:
    write_class(tmp_path)
    with pytest.raises(SpecError, match="--roster has no use"):
        grade_what(Mode(lab=str(tmp_path)), Options(roster="roster.csv"))


def test_a_lab_is_graded_if_it_has_what_was_chosen(tmp_path: Path) -> None:
    labs = write_class(tmp_path).labs
    ((_, own),) = _with(labs, Options(exercises=("./f*",)))
    assert (own.exercises, own.only) == (("./first",), ())
    ((_, own),) = _with(labs, Options(only=("here",)))
    assert (own.exercises, own.only) == ((), ("here",))
    with pytest.raises(SpecError, match="no exercise"):
        _with(labs, Options(exercises=("third",)))


def test_a_receipt_is_verified_with_the_files_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files/first").mkdir(parents=True)
    (tmp_path / "files/first/answer.c").write_text("mine\n")
    files = digests_of(tmp_path / "files")
    time = datetime(2027, 3, 8, tzinfo=UTC)
    facts = HandInFacts("term", "small", "ada", 1, ("ada",), "ada", time, files)
    path = tmp_path / "receipt.txt"
    path.write_text(receipt(facts, signing_key(state_dir())))
    assert is_receipt(path)
    mode = Mode(verify=str(path))
    assert grade_what(mode, Options()) is Exit.PASSED
    assert "its files are as they were handed in" in capsys.readouterr().out
    (tmp_path / "files/first/answer.c").write_text("changed\n")
    assert grade_what(mode, Options(form="json")) is Exit.FAILED
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == ["first/answer.c: it is not what was handed in"]
    path.write_text(path.read_text().replace("number: 1", "number: 2"))
    assert grade_what(mode, Options()) is Exit.FAILED
    assert "it was changed" in capsys.readouterr().out
