"""The text of a message to the class."""

from __future__ import annotations

import pytest

from orchestrator.classes.work.message import MOST_CHARACTERS, checked
from orchestrator.errors import SpecError


@pytest.mark.parametrize(
    ("text", "told"), [("", "is empty"), (" \n", "is empty"), ("x" * (MOST_CHARACTERS + 1), "at most")]
)
def test_a_text_that_cannot_be_shown_is_refused(text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        checked(text)


def test_a_text_is_shown_as_it_is_but_for_control_characters() -> None:
    assert checked("ten\tminutes\r\nleft\x1b[2J ") == "ten     minutes\nleft\\x1b[2J"
