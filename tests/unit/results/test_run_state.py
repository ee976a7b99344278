"""What is missing of a run that did not come to its end, and that every report says so."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from factories import record
from lab_files import GOOD_LAB, load, make_folder

from orchestrator.errors import SpecError
from orchestrator.record import RECORDS, Record, Status
from orchestrator.report import render
from orchestrator.results.comparison import RunInfo, Table, compare
from orchestrator.results.run_state import incomplete
from orchestrator.results.snapshot import about_run
from orchestrator.results.store import RunStore, load_run

EXPECTED = {"vm": ["ipc/pipe", "ipc/fifo"], "s390x": ["ipc/pipe", "ipc/fifo"]}
DONE = [
    record(exercise, machine=machine, status=Status.PASS)
    for machine, all_of in EXPECTED.items()
    for exercise in all_of
]


def store_of(folder: Path, records: list[Record]) -> RunStore:
    with RunStore(folder / "run", load(make_folder(folder), GOOD_LAB)) as store:
        store.expect(EXPECTED)
        for each in records:
            store.add(each)
    return store


def test_a_finished_run_is_complete(tmp_path: Path) -> None:
    store = store_of(tmp_path, DONE)
    store.finished()
    assert incomplete(store.folder, DONE) == ""


def test_an_interrupted_run_says_what_is_missing_and_where(tmp_path: Path) -> None:
    store = store_of(tmp_path, DONE[:1])
    store.interrupted()
    assert incomplete(store.folder, DONE[:1]) == "it was interrupted; 3 results of 4 missing, on vm, s390x"
    assert about_run(store.folder, DONE[:1]).incomplete.startswith("it was interrupted")


def test_a_run_whose_isolab_was_killed_cannot_say_so_and_is_incomplete_all_the_same(tmp_path: Path) -> None:
    store = store_of(tmp_path, DONE)
    assert incomplete(store.folder, DONE) == "it has not finished, or isolab was killed"


def test_a_run_that_finished_without_some_results_says_so(tmp_path: Path) -> None:
    store = store_of(tmp_path, DONE[:3])
    store.finished()
    assert incomplete(store.folder, DONE[:3]) == "1 result of 4 missing, on s390x"


def test_a_record_that_was_cut_off_is_told(tmp_path: Path) -> None:
    store = store_of(tmp_path, DONE)
    store.finished()
    path = store.folder / RECORDS
    path.write_text(path.read_text()[:-20])
    found = load_run(store.folder)
    assert found == DONE[:3]
    assert incomplete(store.folder, found) == (
        "1 result of 4 missing, on s390x; the last line of records.jsonl is only a part of a record"
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"state": "asleep", "expected": {}}', "{"])
def test_a_folder_that_does_not_tell_claims_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert incomplete(tmp_path, []) == ""


def test_a_whole_last_line_needs_no_newline(tmp_path: Path) -> None:
    (tmp_path / RECORDS).write_text(DONE[0].to_json())
    assert load_run(tmp_path) == DONE[:1]
    assert incomplete(tmp_path, DONE[:1]) == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xff\xfe\x00", "line 2: not text in UTF-8"),
        (b"{nonsense}", "line 2: not JSON (at column 2)"),
        (b"[]", "line 2: not a record"),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    (tmp_path / RECORDS).write_bytes(DONE[0].to_json().encode() + b"\n" + line + b"\n")
    with pytest.raises(SpecError) as wrong:
        load_run(tmp_path)
    assert wrong.value.message.endswith(f"invalid records: {words}")


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "perhaps"}, "line 1: unknown status 'perhaps', expected one of: pass, fail, error, skip"),
        ({"status": None}, "line 1: unknown status None"),
    ],
)
def test_a_record_that_is_whole_but_makes_no_sense_is_never_dropped(
    tmp_path: Path, change: dict[str, object], words: str, last: bool
) -> None:
    line = json.dumps(json.loads(DONE[0].to_json()) | change)
    (tmp_path / RECORDS).write_text("\n".join([line] if last else [line, DONE[1].to_json(), ""]))
    with pytest.raises(SpecError, match="invalid records") as wrong:
        load_run(tmp_path)
    assert words in wrong.value.message


def test_a_record_without_a_field_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / RECORDS).write_text(DONE[0].to_json() + "\n" + '{"run": "r"}\n')
    with pytest.raises(SpecError, match="line 2: no 'status'"):
        load_run(tmp_path)


@pytest.mark.parametrize("form", ["text", "markdown", "html", "junit", "json", "csv", "gradescope"])
def test_every_report_of_an_incomplete_run_says_so(form: str) -> None:
    words = "it was interrupted; 3 results of 4 missing, on vm, s390x"
    text = render(form, compare(DONE[:1], about=RunInfo(incomplete=words)))
    assert "it was interrupted; 3 results of 4 missing" in text
    assert "all machines gave the same" not in text
    assert not re.search("[Ii]ncomplete run", render(form, compare(DONE)))


def test_an_incomplete_run_is_an_error_for_continuous_integration() -> None:
    root = ET.fromstring(render("junit", compare(DONE, about=RunInfo(incomplete="it was interrupted"))))
    assert (root.get("tests"), root.get("errors")) == ("5", "1")
    assert json.loads(render("json", compare(DONE, about=RunInfo(incomplete="x"))))["same"] is False


def interrupted_table(tmp_path: Path) -> Table:
    store = store_of(tmp_path, DONE[:1])
    store.interrupted()
    return compare(DONE[:1], about=about_run(store.folder, DONE[:1]))


def test_a_spreadsheet_has_a_line_without_points_for_each_missing_result(tmp_path: Path) -> None:
    table = interrupted_table(tmp_path)
    lines = list(csv.DictReader(StringIO(render("csv", table))))
    assert [(one["machine"], one["exercise"], one["status"]) for one in lines] == [
        ("vm", "ipc/pipe", "pass"),
        ("vm", "ipc/fifo", "missing"),
        ("s390x", "ipc/pipe", "missing"),
        ("s390x", "ipc/fifo", "missing"),
    ]
    assert {one["points"] for one in lines[1:]} == {""}
    assert lines[1]["boundary"] == lines[0]["boundary"] != ""
    assert all("it was interrupted" in one["reason"] for one in lines[1:])
    hers = compare([replace(DONE[0], student="ann")], about=table.about)
    lines = list(csv.DictReader(StringIO(render("csv", hers))))
    assert {one["student"] for one in lines} == {"ann"}
    running = compare(DONE, about=RunInfo(incomplete="it has not finished"))
    (*_, last) = csv.DictReader(StringIO(render("csv", running)))
    assert (last["status"], last["machine"]) == ("incomplete", "")


def test_gradescope_tells_the_student_which_tests_have_no_result(tmp_path: Path) -> None:
    results = json.loads(render("gradescope", interrupted_table(tmp_path)))
    assert results["output"].startswith("Incomplete run: it was interrupted")
    assert "no result: ipc/fifo on s390x" in results["output"]
    missing = [test for test in results["tests"] if "missing" in test["tags"]]
    assert [test["name"] for test in missing] == [
        "ipc/fifo on vm", "ipc/pipe on s390x", "ipc/fifo on s390x",
    ]  # fmt: skip
    assert all("score" not in test and "incomplete" in test["output"] for test in missing)
    assert "output" not in json.loads(render("gradescope", compare(DONE)))


def test_one_that_passed_with_a_note_is_not_silent() -> None:
    noted = [replace(DONE[0], reason="output truncated")]
    for form in ("text", "markdown", "html", "junit"):
        assert "output truncated" in render(form, compare(noted))
