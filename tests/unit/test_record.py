"""A record as a line of JSON that every reader takes."""

from __future__ import annotations

import json
import os
import re

from factories import record
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.record import Record

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


def test_bytes_of_a_file_name_that_are_no_text_become_replacement_characters() -> None:
    line = record(reason=os.fsdecode(b"caf\xe9.c: not found"), stdout="\U0001f600 \\ud800").to_json()
    assert json.loads(line)["reason"] == "caf\ufffd.c: not found"
    assert json.loads(line)["stdout"] == "\U0001f600 \\ud800"  # a pair, and a text that looks like a half


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_is_a_line_without_half_a_pair_and_reads_back(words: str, name: str) -> None:
    line = record(stdout=words, observations={name: words}).to_json()
    assert line.isascii()
    assert "\n" not in line
    found = Record.from_json(line)
    found.stdout.encode()
    assert found.stdout == re.sub("[\ud800-\udfff]", "\ufffd", _joined(words))


def _joined(words: str) -> str:
    """The text with both halves of a pair as the character they stand for, as JSON reads them."""
    return words.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
