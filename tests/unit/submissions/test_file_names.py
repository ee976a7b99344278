"""File names made of ids: safe, and different for different ids."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.submissions.file_names import MOST_BYTES, file_name


@pytest.mark.parametrize("key", ["s1", "ada.lovelace", "b_smith-2", "0", "a" * MOST_BYTES])
def test_a_plain_id_is_its_own_file_name(key: str) -> None:
    assert file_name(key) == key


@pytest.mark.parametrize(
    ("key", "readable"),
    [
        ("Ada", "ada"), ("ada@example.org", "ada-example-org"), ("../../etc/passwd", "etc-passwd"),
        (".", "id"), (".hidden", "hidden"), ("a..b", "a-b"), ("a.", "a"), ("con", "con"), ("", "id"),
        ("lpt1.txt", "lpt1-txt"), ("-rf", "rf"), ("Zoë", "zo"), ("\ud800", "id"), ("a\0b", "a-b"),
        ("a~0123456789abcdef", "a-0123456789abcdef"), ("b" * 200, "b" * 60),
    ],
)  # fmt: skip
def test_any_other_is_made_safe(key: str, readable: str) -> None:
    assert re.fullmatch(re.escape(readable) + "~[0-9a-f]{16}", file_name(key))


@settings(max_examples=80)
@given(st.text(), st.text())
def test_no_two_ids_have_the_same_even_where_case_does_not_count(one: str, other: str) -> None:
    for key in (one, one.upper(), file_name(one)):
        name = file_name(key)
        assert re.fullmatch(r"[a-z0-9][a-z0-9._~-]*", name)
        assert len(name) <= MOST_BYTES
        assert key == other or name != file_name(other)
    assert one == one.upper() or file_name(one) != file_name(one.upper())
