"""`validate` knows a class from a lab, says who has no key, and `new --class` starts one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from class_files import HEAD, ROSTER, write_lab

from orchestrator.classes.recognise import is_class
from orchestrator.cli import main
from orchestrator.errors import Exit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / "isolab" / name))
    monkeypatch.chdir(tmp_path)


def isolab(*words: str) -> int:
    return main.run(["isolab", *words])


def write(folder: Path, text: str = HEAD, file: str = "class.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    (folder / "roster.csv").write_text(ROSTER)
    return folder / file


def test_a_class_is_told_from_a_lab(tmp_path: Path) -> None:
    file = write(tmp_path / "term")
    other = write(tmp_path / "term", file="exam.yaml")
    write_lab(tmp_path / "lab", "lab")
    write(tmp_path / "both")
    write_lab(tmp_path / "both", "both")
    broken = tmp_path / "broken.yaml"
    broken.write_text("class: [")
    assert [is_class(one) for one in (file.parent, file, other, tmp_path / "no/class.yaml")] == [True] * 4
    no = (tmp_path / "lab", tmp_path / "lab/lab.yaml", tmp_path / "both", tmp_path, broken, Path("workshop"))
    assert [is_class(one) for one in no] == [False] * len(no)


@pytest.mark.parametrize("name", ["term", "term/class.yaml"])
def test_a_good_class_is_valid_in_words_and_as_json(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "term", HEAD + "per: group\nshared: {server: {driver: qemu}}\n")
    assert isolab("validate", name) == Exit.PASSED
    assert capsys.readouterr().out.splitlines() == [
        "term/class.yaml: valid: 3 students in 2 groups, 1 machine each and 1 for all, 0 labs",
        "without an SSH key on the roster: s2, s3",
    ]
    assert isolab("validate", name, "--format", "json") == Exit.PASSED
    assert json.loads(capsys.readouterr().out) == {
        "valid": True,
        "problems": [],
        "class": "term",
        "students": 3,
        "seats": ["red", "s-s3"],
        "machines": ["desk"],
        "shared": ["server"],
        "labs": [],
        "without_key": ["s2", "s3"],
    }


def test_mistakes_of_a_class_are_told_with_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "term", HEAD + "ends: 2020-06-01T18:00+08:00\nper: team\n")
    assert isolab("validate", "term") == Exit.BAD_INPUT
    said = capsys.readouterr().err
    assert "term/class.yaml:3:7: the class ended at 2020-06-01 18:00+08:00" in said
    assert "term/class.yaml:4:6: expected one of: student, group" in said
    assert isolab("validate", "term", "--format", "json") == Exit.BAD_INPUT
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], [one["line"] for one in found["problems"]]) == (False, [3, 4])


def test_the_schema_of_classes_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("schema", "class") == Exit.PASSED
    assert "roster" in json.loads(capsys.readouterr().out)["properties"]


def test_a_new_class_is_valid_and_names_a_schema_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isolab("new", "Term 1", "--class") == Exit.PASSED
    assert "isolab class plan 'Term 1'" in capsys.readouterr().out
    assert isolab("validate", "Term 1") == Exit.PASSED
    assert "valid: 2 students, 1 machine each, 1 lab\n" in capsys.readouterr().out
    first, *_, name = (tmp_path / "Term 1/class.yaml").read_text().partition("class: term-1\n")
    assert name
    schema = tmp_path / "Term 1" / first.splitlines()[0].partition("$schema=")[2]
    assert json.loads(schema.read_text())["type"] == "object"
    assert isolab("new", "Term 1", "--class") == Exit.BAD_INPUT


def test_what_a_new_class_suggests_is_right(tmp_path: Path) -> None:
    """Each line that is commented out, taken in."""
    assert isolab("new", "term", "--class") == Exit.PASSED
    file = tmp_path / "term/class.yaml"
    text = file.read_text()
    for key in ("per: group", "shared:", "policy:", "lifetime: 4h", "- {lab: signals", "board:"):
        assert text.count(f"# {key}") == 1
        text = text.replace(f"# {key}", key)
    file.write_text(text)
    assert isolab("validate", "term") == Exit.PASSED
