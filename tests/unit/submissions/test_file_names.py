"""Names of files made of ids: harmless, and different for different ids."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.submissions.file_names import file_name

IDS = st.text(alphabet=st.characters(), max_size=60) | st.text(alphabet="a%2F./\\\n\udc80", max_size=8)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("s1234567", "s1234567"),
        ("anna@example.org", "anna@example.org"),
        ("../x", "%2E.%2Fx"),
        ("-rf", "%2Drf"),
        ("a%2Fb", "a%252Fb"),
        ("Zoë", "Zo%C3%AB"),
        ("", "%"),
    ],
)
def test_what_is_harmless_stays(name: str, found: str) -> None:
    assert file_name(name) == found


@settings(max_examples=100, deadline=None)
@given(IDS, IDS)
def test_names_are_safe_and_tell_ids_apart(one: str, other: str) -> None:
    name = file_name(one)
    assert PurePosixPath(name).parts == (name,)
    assert name.isascii()
    assert name.isprintable()
    assert name[0] not in ".-"
    assert len(name) < 200
    assert (name == file_name(other)) == (one == other)


def test_long_ids_differ_too() -> None:
    assert file_name("x" * 4000 + "a") != file_name("x" * 4000 + "b")
