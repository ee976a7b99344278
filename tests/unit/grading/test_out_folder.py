"""Where grades are written, and the signature of grades.csv."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.errors import SpecError
from orchestrator.grading.out_folder import check_out_folder, make_out_folder
from orchestrator.grading.signed_file import problem_of, write_signed
from orchestrator.host.cache import write_atomically

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    made = tmp_path / "class" / "submissions"
    made.mkdir(parents=True)
    return made


def test_a_new_an_empty_and_our_own_folder_are_taken(tmp_path: Path, submissions: Path) -> None:
    for name in ("new/deeper", "empty", "own"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / "grading.json").touch()
        there = (tmp_path / name).exists()
        check_out_folder(tmp_path / name, submissions)
        assert (tmp_path / name).exists() is there
        make_out_folder(tmp_path / name)
        assert (tmp_path / name).is_dir()
    assert (tmp_path / "new/deeper").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("out", "file", "words"),
    [
        ("class/submissions", "", "among the submissions"),
        ("class/submissions/grades", "", "among the submissions"),
        ("class", "grading.json", "the submissions are in"),
        ("lab", "lab.yaml", "is a lab's folder"),
        ("other", "grades.csv", "has files in it that no grading made"),
        ("file/deeper", "", "file is a file, not a folder"),
    ],
)
def test_any_other_folder_is_refused(
    tmp_path: Path, submissions: Path, out: str, file: str, words: str
) -> None:
    (tmp_path / "file").touch()
    if file:
        (tmp_path / out).mkdir(exist_ok=True)
        (tmp_path / out / file).touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SpecError, match=words) as caught:
        check_out_folder(tmp_path / out, submissions)
    assert "--out" in caught.value.hint
    assert sorted(tmp_path.rglob("*")) == before


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "grades.csv"
    assert problem_of(path, KEY.public_key()) == ""
    path.write_text("ada,1\n")
    assert "grades.csv.sig is missing" in problem_of(path, KEY.public_key(), finished=False)
    write_signed(path, b"ada,1\n", KEY)
    assert problem_of(path, KEY.public_key()) == ""
    assert "signed by another key" in problem_of(path, Ed25519PrivateKey.generate().public_key())
    path.write_text("ada,9\n")
    assert "it was changed" in problem_of(path, KEY.public_key())
    path.unlink()
    assert problem_of(path, KEY.public_key()).startswith("grades.csv is missing")
    path.with_name("grades.csv.sig").unlink()
    gone = problem_of(path, KEY.public_key(), expected=True)
    assert gone.startswith("grades.csv and grades.csv.sig are missing")
    assert problem_of(path, KEY.public_key(), finished=False, expected=True) == ""


@pytest.mark.parametrize("writes", range(4), ids=["before", "signature", "file", "both"])
def test_killed_on_the_way_what_is_there_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    path = tmp_path / "grades.csv"
    for data in (b"ada,1\n", b"ada,2\n"):
        done: list[Path] = []

        def write(path: Path, data: bytes, *, mode: int, done: list[Path] = done) -> None:
            if len(done) == writes:
                raise KeyboardInterrupt
            done.append(path)
            write_atomically(path, data, mode=mode)

        monkeypatch.setattr("orchestrator.grading.signed_file.write_atomically", write)
        with contextlib.suppress(KeyboardInterrupt):
            write_signed(path, data, KEY)
        assert problem_of(path, KEY.public_key(), finished=writes != 1) == ""
    monkeypatch.undo()
    write_signed(path, b"ada,3\n", KEY)
    assert problem_of(path, KEY.public_key()) == ""
    assert len(path.with_name("grades.csv.sig").read_bytes().split()) == 1
