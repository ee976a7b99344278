"""Moodle's worksheet and Canvas's gradebook filled in: against files written by hand, byte for byte."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import made_up_gradebook as made_up
import pytest
from made_up_gradebook import ANNA, BOB
from places import TESTS

from orchestrator.errors import SpecError
from orchestrator.gradebook.canvas import fill_gradebook
from orchestrator.gradebook.counted import Total, counted, totals
from orchestrator.gradebook.filling import Filled
from orchestrator.gradebook.moodle import feedback_zip, fill_worksheet
from orchestrator.gradebook.policy import Policy
from orchestrator.gradebook.sheet import read_sheet
from orchestrator.grading.model import Gradebook, Verdict

GOLDEN = TESTS / "golden" / "gradebook"
HEADER = "Identifier,Full name,Status,Grade,Maximum grade,Grade can be changed,Last modified (grade)\n"
LAB = ("Small lab", "small")


def of(book: Gradebook) -> tuple[Total, ...]:
    return totals(book, counted(book, Policy()))


def worksheet(path: Path, text: str, book: Gradebook | None = None) -> Filled:
    path.write_text(text)
    return fill_worksheet(read_sheet(path), of(book or made_up.gradebook()))


def canvas(path: Path, text: str, wanted: str = "") -> Filled:
    path.write_text(text)
    return fill_gradebook(read_sheet(path), of(made_up.gradebook()), wanted, LAB)


@pytest.mark.parametrize("name", ["english", "german", "excel", "blind"])
def test_moodles_worksheet_is_filled_in(name: str) -> None:
    folder = GOLDEN / "moodle"
    filled = fill_worksheet(read_sheet(folder / f"{name}.csv"), of(made_up.gradebook()))
    assert filled.data == (folder / f"{name}.filled.csv").read_bytes()
    assert list(filled.notes) == (folder / f"{name}.notes.txt").read_text().splitlines()


@pytest.mark.parametrize("name", ["gradebook", "semicolons"])
def test_canvas_gradebook_is_filled_in(name: str) -> None:
    folder = GOLDEN / "canvas"
    filled = fill_gradebook(read_sheet(folder / f"{name}.csv"), of(made_up.gradebook()), "", LAB)
    assert filled.data == (folder / f"{name}.filled.csv").read_bytes()
    assert list(filled.notes) == (folder / f"{name}.notes.txt").read_text().splitlines()


def test_what_is_filled_in_once_stays_the_same(tmp_path: Path) -> None:
    for place, fill in ((GOLDEN / "moodle/english", worksheet), (GOLDEN / "canvas/gradebook", canvas)):
        done = place.with_suffix(".filled.csv").read_bytes()
        assert fill(tmp_path / "sheet.csv", done.decode()).data == done


def test_a_number_does_not_make_somebody_of_another_name(tmp_path: Path) -> None:
    """The numbers of another assignment's worksheet are other people's; a group has a number, too."""
    filled = worksheet(tmp_path / "w.csv", HEADER + "Participant 1260,Zoe Other,Sent,,10.00,Yes,-\n")
    assert "Sent,,10.00" in filled.data.decode()
    assert "1260 (Zoe Other): in the worksheet, not among the graded students" in filled.notes


def test_canvas_names_of_files_are_names_without_spaces(tmp_path: Path) -> None:
    twins = [made_up.student(one, name="John Smith") for one in ("s5", "s6")]
    unclear = [
        replace(made_up.absent(one, "ipc/fifo"), verdict=Verdict.NO_RESULT, points=None, unclear=True)
        for one in twins
    ]
    stranger = made_up.grade(made_up.student("canvas-505", name="smithjohn"), "ipc/fifo", platform_id="505")
    book = made_up.gradebook((*unclear, stranger), exercises=("ipc/fifo",))
    text = (
        "Student,ID,SIS User ID,Lab (7)\n    Points Possible,,,3\n"
        '"Smith, John",505,s5,\n"Smith, John",506,s6,\n'
    )
    (tmp_path / "gradebook.csv").write_text(text)
    filled = fill_gradebook(read_sheet(tmp_path / "gradebook.csv"), of(book), "", ())
    assert filled.data.decode().splitlines()[2:] == ['"Smith, John",505,s5,3.00', '"Smith, John",506,s6,']
    assert filled.notes == (
        "506 (Smith, John): left as it is: a submission may be this student's, and nobody could tell whose "
        "it is",
    )


def test_two_of_a_name_are_nobody(tmp_path: Path) -> None:
    rows = "".join(f"Participant {number},Anna Schmidt,Sent,,10.00,Yes,-\n" for number in (1, 2))
    filled = worksheet(tmp_path / "w.csv", HEADER + rows)
    assert filled.data.decode() == HEADER + rows
    assert "s001 (Anna Schmidt): graded, not found in the worksheet" in filled.notes


def test_a_team_of_one_number_is_found_by_name(tmp_path: Path) -> None:
    book = made_up.gradebook(
        tuple(
            made_up.grade(who, exercise, platform_id="55")
            for who in (ANNA, BOB)
            for exercise in made_up.EXERCISES
        )
    )
    rows = "Participant 55,Bob O'Neil,Sent,,10.00,Yes,-\nParticipant 56,Anna Schmidt,Sent,,10.00,Yes,-\n"
    filled = worksheet(tmp_path / "w.csv", HEADER + rows, book)
    assert filled.data.decode() == HEADER + rows.replace(",,", ",10.00,")
    assert filled.notes == ()


def test_a_group_that_is_called_like_an_id_is_nobody(tmp_path: Path) -> None:
    header = HEADER.replace("Status", "Status,Group")
    rows = "".join(
        f"Participant {at},Somebody {at},Sent,{group},,10.00,Yes,-\n"
        for at, group in enumerate(("s001", "A", "B"))
    )
    filled = worksheet(tmp_path / "w.csv", header + rows)
    assert filled.data.decode() == header + rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (HEADER, "no rows below its header"),
        (HEADER + "Anna,Anna,Sent,,10.00,Yes,-\n", "line 2: no participant number in the first column"),
        (HEADER + "Participant 1,Anna,Sent,,Good,Yes,-\n", "cannot tell which column has the grades"),
        ('A,B\n"Participant 1,x\n', "table that can be filled in"),
        ('A,B\n"Participant 1"x,x\n', "table that can be filled in"),
        ("A,B\nParticipant 1,x,y\n", "table that can be filled in"),
    ],
)
def test_another_file_is_no_worksheet(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        worksheet(tmp_path / "w.csv", text)


def test_a_broken_table_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as wrong:
        worksheet(tmp_path / "w.csv", 'A,B\n"one\nrow",x\n"Participant 1,x\n')
    [problem] = wrong.value.problems
    assert (problem.line, problem.message) == (4, "a quoted cell has no end")


def test_utf_16_stays_utf_16(tmp_path: Path) -> None:
    text = HEADER + "Participant 1260,Anna Schmidt,Sent,,10.00,Yes,-\r\n"
    (tmp_path / "w.csv").write_bytes(text.encode("utf-16"))
    filled = fill_worksheet(read_sheet(tmp_path / "w.csv"), of(made_up.gradebook()))
    assert filled.data == text.replace(",,", ",10.00,").encode("utf-16")


def test_a_lab_without_points_has_no_grades(tmp_path: Path) -> None:
    grades = (made_up.grade(ANNA, points=0.0, max_points=0.0),)
    book = made_up.gradebook(grades, exercises=made_up.EXERCISES[:1])
    with pytest.raises(SpecError, match="have no points"):
        worksheet(tmp_path / "w.csv", HEADER + "Participant 1260,Anna Schmidt,Sent,,10.00,Yes,-\n", book)


def test_the_feedback_zip_is_as_moodle_reads_it() -> None:
    sheet = read_sheet(GOLDEN / "moodle" / "english.csv")
    filled = fill_worksheet(sheet, of(made_up.gradebook()))
    pages = {"s001": b"<p>Anna", "s004": b"<p>Dora", "=evil()": b"<p>Eve", "s999": b"nobody"}
    data = feedback_zip(filled, pages)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {
        "Anna Schmidt_1260_assignsubmission_file/feedback.html": b"<p>Anna",
        "Dora Müller-Lüdenscheidt_1263_assignsubmission_file/feedback.html": b"<p>Dora",
        "Eve_1574_assignsubmission_file/feedback.html": b"<p>Eve",
    }
    assert data == feedback_zip(filled, pages)


def test_a_name_cannot_lead_out_of_the_feedback_zip(tmp_path: Path) -> None:
    name = "../..\\x_9_assignsubmission_file"
    book = made_up.gradebook((made_up.grade(replace(ANNA, name=name)),))
    filled = worksheet(tmp_path / "w.csv", HEADER + f"Participant 1260,{name},Sent,,10.00,Yes,-\n", book)
    with zipfile.ZipFile(io.BytesIO(feedback_zip(filled, {"s001": b"x"}))) as archive:
        [entry] = archive.namelist()
    assert entry == "x 9 assignsubmission file_1260_assignsubmission_file/feedback.html"


CANVAS = "Student,ID,SIS Login ID,Section,One (1),Two (2)\n"


@pytest.mark.parametrize(("wanted", "filled"), [("2", ",,6.00"), ("one", ",6.00,"), ("One (1)", ",6.00,")])
def test_the_column_of_canvas_is_named_by_title_or_number(tmp_path: Path, wanted: str, filled: str) -> None:
    done = canvas(tmp_path / "c.csv", CANVAS + '"Schmidt, Anna",1260,,1,,\n', wanted)
    assert done.data.decode().splitlines()[1].endswith(f",1{filled}")
    assert done.notes[0] == (
        "the gradebook does not say how many points are possible: filled in are the lab's own, of 6"
    )


@pytest.mark.parametrize(
    ("text", "wanted", "words"),
    [
        (CANVAS, "", r"cannot tell .* for this lab: One \(1\), Two \(2\)"),
        (CANVAS, "3", r"cannot tell .* for '3': One \(1\), Two \(2\)"),
        ("Student,ID,Section,Final Score (1)\n", "", "no column of an assignment"),
        ("Student,ID,Section,One (1)\nPoints Possible,,,(read only)\n", "", "no column of an assignment"),
        ("Name,Points\n", "", "not a gradebook from Canvas"),
    ],
)
def test_no_column_of_canvas_is_guessed_or_added(tmp_path: Path, text: str, wanted: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        canvas(tmp_path / "c.csv", text, wanted)


def test_a_row_cut_short_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as wrong:
        canvas(tmp_path / "c.csv", CANVAS + '"Schmidt, Anna",1260,,1\n', "2")
    assert wrong.value.problems[0].line == 2
