"""Options of grade that do not go together are refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.grade import Mode, Options, grade
from orchestrator.errors import SpecError


@pytest.mark.parametrize(
    ("mode", "options", "words"),
    [
        (Mode("workshop", "subs", student="ada"), Options(), "--student goes with --verify"),
        (Mode("workshop", "subs", key="k"), Options(), "--key goes with --verify"),
        (Mode("workshop", verify="g"), Options(), "LAB has no use with --verify"),
        (Mode(verify="g"), Options(again=True), "--again has no use with --verify"),
        (Mode(verify="g"), Options(moodle="x.csv"), "--moodle has no use with --verify"),
        (Mode("workshop", "subs", self_test=True), Options(), "SUBMISSIONS has no use with --self-test"),
        (Mode("workshop", self_test=True), Options(canvas_column="7"), "--canvas-column has no use"),
        (Mode(), Options(), "which lab"),
        (Mode("workshop"), Options(), "which submissions"),
    ],
)
def test_what_does_not_go_together(mode: Mode, options: Options, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        grade(mode, options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("submissions", "options"),
    [
        ("subs", Options(roster="wrong.csv")),
        ("subs", Options(moodle="wrong.csv")),
        ("subs", Options(layout="moodle")),
        ("subs", Options(only=("process",), exercises=("none",))),
        ("empty", Options()),
    ],
    ids=["roster", "worksheet", "layout", "exercise", "submissions"],
)
def test_what_is_refused_leaves_no_folder(
    submissions: str, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ISOLAB_STATE", "ISOLAB_SCRATCH"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "subs" / "s1").mkdir(parents=True)
    (tmp_path / "subs" / "s1" / "wire.c").touch()
    (tmp_path / "wrong.csv").write_text("name\nAda\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError):
        grade(Mode("workshop", submissions), options)
    assert not (tmp_path / "grades").exists()
