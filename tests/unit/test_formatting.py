"""How values and numbers read in output."""

from __future__ import annotations

import pytest

from orchestrator.formatting import counted, whole_lines


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_a_noun_follows_its_number(number: int, text: str) -> None:
    assert counted(number, "file") == text


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (99, "one\ntwo\nthree"),
        (9, "one\ntwo\n… (1 more line)"),
        (5, "one\n… (2 more lines)"),
        (2, "on\n… (3 more lines)"),
    ],
)
def test_lines_are_whole_and_those_left_out_are_counted(limit: int, kept: str) -> None:
    assert whole_lines("one\ntwo\nthree", limit) == kept
