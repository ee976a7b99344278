"""The hosts file that a class names."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_term import write_class as write_term

from orchestrator.classes.load import load_class
from orchestrator.errors import SpecError


def test_mistakes_of_the_hosts_file_are_told(tmp_path: Path) -> None:
    write_term(tmp_path, 1, "hosts: hosts.yaml")
    (tmp_path / "hosts.yaml").write_text("hosts:\n  - {nam: alder}\n")
    with pytest.raises(SpecError) as caught:
        load_class(tmp_path)
    assert [one.line for one in caught.value.problems] == [2, 2]
