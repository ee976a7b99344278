"""How values and numbers read in output."""

from __future__ import annotations

import pytest

from orchestrator.formatting import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_a_noun_follows_its_number(number: int, text: str) -> None:
    assert counted(number, "file") == text
