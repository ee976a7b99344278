"""All files of a gradebook: which there are, and that the same grades give the same bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import made_up_gradebook as made_up
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from places import TESTS

from orchestrator.errors import SpecError
from orchestrator.gradebook import Exports, check, write
from orchestrator.gradebook.counted import Counted, Total
from orchestrator.gradebook.filling import Filled
from orchestrator.gradebook.moodle import fill_worksheet
from orchestrator.gradebook.policy import Amount, Policy
from orchestrator.gradebook.sheet import Sheet
from orchestrator.grading.model import Gradebook
from orchestrator.grading.signed_file import problem_of
from orchestrator.submissions.file_names import file_name
from orchestrator.submissions.model import Student

GOLDEN = TESTS / "golden" / "gradebook"
MOODLE, CANVAS = GOLDEN / "moodle" / "english.csv", GOLDEN / "canvas" / "gradebook.csv"
POLICY = Policy(due=made_up.DUE, penalty_per_day=Amount(10, percent=True), late_days=1)


def page(
    _book: Gradebook, student: Student, *, adjusted: Mapping[str, str], counting: Mapping[str, Counted]
) -> str:
    assert all(one.student == student for one in counting.values())
    return f"{student.id} {dict(adjusted)}"


def test_the_same_grades_give_the_same_bytes(tmp_path: Path) -> None:
    exports = Exports(moodle=MOODLE, canvas=CANVAS, key=bytes(32), prairielearn=True)
    once = write(made_up.gradebook(), tmp_path / "one", exports, {"html": page}).files
    again = write(made_up.gradebook(), tmp_path / "two", exports, {"html": page}).files
    third = write(made_up.gradebook(), tmp_path / "two", exports, {"html": page}).files
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert again == third
    there = {path for path in (tmp_path / "two").rglob("*") if path.is_file()}
    assert there == set(again)


def test_platforms_files_are_written_beside_what_is_not_in_them(tmp_path: Path) -> None:
    write(made_up.gradebook(), tmp_path, Exports(moodle=MOODLE, canvas=CANVAS), {"html": page})
    for platform, file in (("moodle", MOODLE), ("canvas", CANVAS)):
        filled, told = file.with_suffix(".filled.csv"), file.with_suffix(".notes.txt")
        assert (tmp_path / platform / file.name).read_bytes() == filled.read_bytes()
        assert (tmp_path / platform / "not-filled.txt").read_bytes() == told.read_bytes()
    with zipfile.ZipFile(tmp_path / "moodle" / "feedback.zip") as archive:
        assert archive.read("Anna Schmidt_1260_assignsubmission_file/feedback.html") == b"s001 {}"


def test_feedback_says_what_the_policy_made_of_the_points(tmp_path: Path) -> None:
    write(made_up.gradebook(), tmp_path, Exports(policy=POLICY), {"html": page, "md": page})
    assert (tmp_path / "feedback" / "s003.html").read_text() == (
        "s003 {'ipc/fifo': '2.25 of 3 points count (2 days late, 1 of them free: -0.25)'}"
    )
    assert (tmp_path / "feedback" / f"{file_name(made_up.EVE.id)}.md").read_text() == "=evil() {}"


def test_what_a_lecturer_must_know_is_told(tmp_path: Path) -> None:
    policy = POLICY.model_copy(update={"extensions": {"s0001": timedelta(days=1)}})
    found = write(made_up.gradebook(), tmp_path, Exports(moodle=MOODLE, policy=policy)).notes
    assert found[0] == "s0001: has an extension, but is not in the class"
    assert found[1] == "moodle/english.csv: points are scaled: 6 in this lab are 100 there"
    assert found[2:] == tuple(MOODLE.with_suffix(".notes.txt").read_text().splitlines())


def test_files_of_platforms_are_checked_before_grading(tmp_path: Path) -> None:
    lab = made_up.gradebook().lab
    check(lab, Exports(moodle=MOODLE, canvas=CANVAS))
    with pytest.raises(SpecError, match="no participant number in the first column"):
        check(lab, Exports(moodle=CANVAS))
    with pytest.raises(SpecError, match="cannot tell which column"):
        check(lab, Exports(canvas=CANVAS, canvas_column="5"))
    with pytest.raises(SpecError, match=r"cannot read .*none\.csv"):
        check(lab, Exports(canvas=tmp_path / "none.csv"))


def test_everything_is_worked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = []

    def fill(sheet: Sheet, found: Sequence[Total]) -> Filled:
        filled.append(sheet)
        return fill_worksheet(sheet, found)

    monkeypatch.setattr(import_module("orchestrator.gradebook.write"), "fill_worksheet", fill)
    assert write(made_up.gradebook(), tmp_path, Exports(moodle=MOODLE)).notes
    assert len(filled) == 1


def test_grades_are_signed_where_there_is_a_key(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    written = write(made_up.gradebook(), tmp_path, Exports(signing=key)).files
    assert problem_of(written[0], key.public_key()) == ""
    assert written[1].name == "grades.csv.sig"


def test_what_was_made_for_a_student_who_left_is_moved_aside_until_they_are_back(tmp_path: Path) -> None:
    whole, exports = made_up.gradebook(), Exports(key=bytes(32), prairielearn=True)
    gone = whole.students[0]
    rest = replace(
        whole,
        students=whole.students[1:],
        grades=tuple(grade for grade in whole.grades if grade.student != gone),
    )
    pages = {"html": page, "md": page}
    written = {str(path.relative_to(tmp_path)) for path in write(whole, tmp_path, exports, pages).files}
    name = file_name(gone.id)
    theirs = {path for path in written if Path(path).stem == name or Path(path).parent.name == name}
    assert len(theirs) == 4

    found = write(rest, tmp_path, exports, pages)
    assert found.notes == (
        "2 rows of grades.csv not in the new one: the old one is grades.before.csv",
        f"1 student not in the class any more ({name}): their feedback and results are in former/ now",
    )
    assert {path for path in written if not (tmp_path / path).exists()} == theirs
    assert {path for path in theirs if not (tmp_path / "former" / path).is_file()} == set()
    assert write(rest, tmp_path, exports, pages).notes == ()

    assert write(whole, tmp_path, exports, pages).notes == ()
    assert {path for path in written if not (tmp_path / path).exists()} == set()
    assert not (tmp_path / "former").exists()


def test_what_was_not_written_this_time_is_moved_aside(tmp_path: Path) -> None:
    """A platform's file of an earlier grading has points that count no more."""
    pages = {"html": page}
    exports = Exports(moodle=MOODLE, canvas=CANVAS, prairielearn=True)
    write(made_up.gradebook(), tmp_path, exports, pages)
    (tmp_path / "similarity.html").touch()
    found = write(made_up.gradebook(), tmp_path, Exports(moodle=MOODLE, similarity=True), pages)
    assert found.notes[-1] == (
        "of an earlier grading, and not written this time: prairielearn, canvas; in former/ now"
    )
    assert (tmp_path / "former" / "canvas" / CANVAS.name).is_file()
    other = tmp_path / "other.csv"
    other.write_bytes(MOODLE.read_bytes())
    assert write(made_up.gradebook(), tmp_path, Exports(moodle=other), pages).notes[-1] == (
        f"of an earlier grading, and not written this time: moodle/{MOODLE.name}, similarity.html; "
        "in former/ now"
    )
    assert {path.name for path in (tmp_path / "moodle").iterdir()} == {
        "other.csv",
        "feedback.zip",
        "not-filled.txt",
    }
    write(made_up.gradebook(), tmp_path, exports, pages)
    assert {path.name for path in (tmp_path / "former" / "moodle").iterdir()} == {"other.csv"}
    assert not (tmp_path / "former" / "canvas").exists()


def test_grades_are_kept_where_rows_go(tmp_path: Path) -> None:
    whole = made_up.gradebook()
    write(whole, tmp_path, Exports())
    before = (tmp_path / "grades.csv").read_bytes()
    write(whole, tmp_path, Exports())
    assert not (tmp_path / "grades.before.csv").exists()
    one = replace(whole, exercises=whole.exercises[:1])
    words = f"{len(whole.students)} rows of grades.csv not in the new one: the old one is grades.before.csv"
    assert words in write(one, tmp_path, Exports()).notes
    assert (tmp_path / "grades.before.csv").read_bytes() == before
