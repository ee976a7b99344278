"""The seats of a class: everybody has one, no two share one, and names are safe anywhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.classes.model import Member
from orchestrator.classes.seats import GROUP, STUDENT, seat_name, seats_of
from orchestrator.submissions.model import Student


@pytest.mark.parametrize(
    ("label", "kind", "alone", "name"),
    [
        ("ada", STUDENT, False, "ada"),
        ("S1234567", STUDENT, False, "s1234567"),
        ("22334455", STUDENT, False, "s-22334455"),
        ("ada", STUDENT, True, "s-ada"),
        ("22334455", STUDENT, True, "s-22334455"),
        ("team-7", GROUP, False, "team-7"),
        ("7", GROUP, False, "g-7"),
    ],
)
def test_an_id_that_is_safe_is_the_seats_name(label: str, kind: str, alone: bool, name: str) -> None:
    assert seat_name(label, kind, alone=alone) == name


@pytest.mark.parametrize(
    ("label", "start"),
    [
        ("Team 1", "team-1-x"),
        ("../../etc", "etc-x"),
        ("Zoë", "zo-x"),
        ("王", "s-x"),
        ("shared", "shared-x"),
        ("s-ada", "s-ada-x"),
        ("ada-x12345678", "ada-x12345678-x"),
        ("a" * 41, "a" * 24 + "-x"),
        ("ada-", "ada-x"),
    ],
)
def test_any_other_gets_a_name_that_tells_it_from_all(label: str, start: str) -> None:
    assert re.fullmatch(re.escape(start) + "[0-9a-f]{8}", seat_name(label, STUDENT))


def member(key: str, group: str = "") -> Member:
    return Member(Student(key, "", "", group))


def test_groups_and_who_has_none() -> None:
    found = seats_of([member("ada", "red"), member("red"), member("bob", "red"), member("s-red")], "group")
    assert [(seat.name, seat.label, [one.student.id for one in seat.members]) for seat in found] == [
        ("red", "red", ["ada", "bob"]),
        ("s-red", "red", ["red"]),
        (found[2].name, "s-red", ["s-red"]),
    ]


letters = st.one_of(
    st.sampled_from("abxs0-1g-/."), st.characters(codec="utf-8", exclude_categories=["C", "Z"])
)
labels = st.text(letters, min_size=1, max_size=50)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(labels, labels | st.just("")), unique_by=lambda one: one[0].casefold(), max_size=8),
    st.sampled_from(["student", "group"]),
)
def test_everybody_has_one_seat_under_a_name_that_only_the_label_decides(
    people: list[tuple[str, str]], per: str
) -> None:
    folded = {group.casefold(): group for _, group in people}
    members = [member(key, folded[group.casefold()]) for key, group in people]
    found = seats_of(members, per)
    assert sorted(one.student.id for seat in found for one in seat.members) == sorted(
        key for key, _ in people
    )
    assert len({seat.name for seat in found}) == len(found)
    for seat in found:
        assert re.fullmatch("[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?", seat.name)
        assert seat.name != "shared"
        assert len({one.student.group for one in seat.members}) == 1 or per == "student"
        assert len(seat.members) == 1 or seat.label == seat.members[0].student.group
    # Who joins later changes nobody's seat.
    others = seats_of([member("new-one"), *members[::2]], per)
    names = {one.student.id: seat.name for seat in found for one in seat.members}
    assert all(
        seat.name == names[one.student.id]
        for seat in others
        for one in seat.members
        if one.student.id != "new-one"
    )
