"""The environment of programs has one size, whatever runs, machines and people are called."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from factories import SITE, FakeTransport, answer, loaded, record, subject
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.deadline import Cancellation
from orchestrator.exercises.execute import ExerciseContext, run_exercise
from orchestrator.exercises.surroundings import OTHER, STEP, padded

VALUES = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=9),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    max_size=9,
)


def size(environment: list[str]) -> int:
    return sum(len(one.encode(errors="surrogateescape")) + 1 for one in environment)


def as_passed(tag: str, home: str = "/home/student", canary: str = "isolab-canary") -> list[str]:
    """The strings of the environment in which an exercise's program starts."""
    there = FakeTransport([answer()])
    site = replace(SITE, homes={"student": home})
    place = ExerciseContext(there, site, subject(), tag, canary)
    run_exercise(loaded(Path("/e"), {}), place, record(), Cancellation())
    (argv,) = there.asked
    return [word for before, word in itertools.pairwise(argv) if before == "--env"]


@pytest.mark.parametrize(
    "home", ["/home/student", "/tmp/sc/20260102-030405-0a0b/a-very-long-machine-name/home"]
)
def test_the_same_size_whatever_the_names(home: str) -> None:
    tags = ["r-m", "20260102-030405-0a0b-a-very-long-name-of-a-machine", "20260102-030405-0a0b-é"]
    found = {size(as_passed(tag, home, canary)) for tag in tags for canary in ("c", "canary" * 9)}
    assert found == {STEP}


def test_the_same_number_of_variables() -> None:
    """Their addresses are on the stack, too: a full environment has a variable of no letters."""
    room = STEP - len("A=\0") - len("ISOLAB_PADDING=\0")
    assert padded({"A": "x" * room}) == {"A": "x" * room, "ISOLAB_PADDING": ""}
    assert len(padded({"A": "x" * (room + 1)})["ISOLAB_PADDING"]) == STEP - 1


@settings(max_examples=30)
@given(VALUES)
def test_any_environment(values: dict[str, str]) -> None:
    sizes = [size([f"{key}={value}" for key, value in padded(values, more).items()]) for more in (0, OTHER)]
    assert sizes == [STEP, STEP + OTHER]
    assert OTHER % 16 == 0
    assert OTHER % STEP, "another place within a page"
