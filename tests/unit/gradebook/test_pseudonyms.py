"""Pseudonyms: stable, different, not to be found without the key, and nothing of the names beside them."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from datetime import timedelta
from io import StringIO
from pathlib import Path

import made_up_gradebook as made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gradebook import ANNA, BOB

from orchestrator.gradebook import Exports, write
from orchestrator.gradebook.counted import counted
from orchestrator.gradebook.csv import read_id
from orchestrator.gradebook.policy import Amount, Policy
from orchestrator.gradebook.pseudonyms import anonymous, anonymous_policy
from orchestrator.submissions.pseudonyms import pseudonyms

KEY = bytes(range(32))
IDS = tuple(student.id for student in made_up.CLASS)


def test_a_pseudonym_is_of_the_id_and_the_key() -> None:
    known = pseudonyms(IDS, KEY)
    assert pseudonyms(["s001"], KEY)["s001"] == known["s001"]
    assert pseudonyms(["s001"], bytes(32))["s001"] != known["s001"]
    assert known["s001"] == "student-tnaw5z76"


def test_pseudonyms_that_would_be_the_same_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.submissions.pseudonyms._SHORTEST", 2)
    many = pseudonyms([f"s{number}" for number in range(200)], KEY)
    assert len(set(many.values())) == len(many)
    assert {len(name) - len("student-") for name in many.values()} >= {2, 3}


def test_the_class_is_anonymous_and_the_key_file_its_owners(tmp_path: Path) -> None:
    write(made_up.gradebook(), tmp_path, Exports(key=KEY))
    key_file, shown = tmp_path / "pseudonyms.csv", (tmp_path / "junit.xml").read_text()
    assert key_file.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(StringIO(key_file.read_text())))
    assert {row["pseudonym"]: read_id(row["id"]) for row in rows} == {
        name: one for one, name in pseudonyms(IDS, KEY).items()
    }
    assert [row["pseudonym"] for row in rows] == sorted(row["pseudonym"] for row in rows)
    for student in made_up.CLASS:
        assert student.id not in shown
        assert student.name.split()[0] not in shown


def test_a_class_with_names_has_no_pseudonyms(tmp_path: Path) -> None:
    write(made_up.gradebook(), tmp_path, Exports(named=True))
    assert "Anna Schmidt" in (tmp_path / "junit.xml").read_text()
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {"grades.csv", "junit.xml", "lecturer.html", "gradescope"}


def test_texts_name_nobody() -> None:
    told = "s001.c of Anna Schmidt <anna@example.org>, not s0011"
    records = (made_up.record(ANNA, "ipc/pipe", reason=told, stdout=told, stderr=told),)
    mine = made_up.grade(ANNA, reason=told, remarks=(told,), records=records, files={"s001.c": "00"})
    book = made_up.gradebook((mine,), notes=(told, "nobody: twice"))
    hidden = anonymous(book, KEY)
    everything = json.dumps([asdict(grade) for grade in hidden.grades], default=str)
    for word in ("Anna", "Schmidt", "anna@", "s001.c", mine.platform_id):
        assert word not in everything
    name = hidden.students[0].id
    assert hidden.notes == (f"{name}.c of {name} <{name}>, not s0011", "nobody: twice")
    assert hidden.grades[0].records[0].student == name


def test_the_order_tells_nothing() -> None:
    hidden = anonymous(made_up.gradebook(), KEY)
    order = [student.id for student in hidden.students]
    assert order == sorted(order)
    assert [grade.student.id for grade in hidden.grades] == sorted(
        (grade.student.id for grade in hidden.grades), key=order.index
    )
    assert order != [pseudonyms(IDS, KEY)[one] for one in IDS]


def test_groups_stay_together() -> None:
    hidden = anonymous(made_up.gradebook(), KEY)
    known = {student.id: student.group for student in hidden.students}
    names = pseudonyms(IDS, KEY)
    assert known[names["s001"]] == known[names["s002"]] != known[names["s003"]]
    assert known[names["s006"]] == ""


def test_extensions_are_their_students_under_another_name() -> None:
    later = {BOB.id: timedelta(days=3), "s999": timedelta(days=1)}
    policy = Policy(due=made_up.DUE, penalty_per_day=Amount(50, percent=True), extensions=later)
    book = made_up.gradebook()
    hidden = counted(anonymous(book, KEY), anonymous_policy(policy, book, KEY))
    names = pseudonyms(IDS, KEY)
    assert sorted((one.student.id, one.grade.exercise, one.points, one.late) for one in hidden) == sorted(
        (names[one.student.id], one.grade.exercise, one.points, one.late) for one in counted(book, policy)
    )


@settings(max_examples=15, deadline=None)
@given(st.sets(st.text(max_size=5), max_size=20), st.binary(min_size=32, max_size=32))
def test_different_ids_have_different_pseudonyms(ids: set[str], key: bytes) -> None:
    assert len(set(pseudonyms(ids, key).values())) == len(ids)


def test_whose_values_were_copied_is_a_pseudonym() -> None:
    mine = made_up.grade(ANNA, copied_from=(BOB.id,))
    book = anonymous(made_up.gradebook((mine, made_up.grade(BOB))), KEY)
    (shown,) = (grade for grade in book.grades if grade.copied_from)
    assert shown.copied_from == (pseudonyms(IDS, KEY)[BOB.id],)
