"""What people read when something goes wrong."""

from __future__ import annotations

import pytest

from orchestrator.errors import LabError


@pytest.mark.parametrize("message", ["no such program", "vm: no such program", "one/vm: no such program"])
def test_the_name_of_what_failed_is_there_once(message: str) -> None:
    words = LabError(message, hint="install it").describe_for("one/vm")
    assert words == "one/vm: no such program\n  hint: install it"
