"""The command that installs an extra works from whatever folder it is typed in."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from orchestrator.host import extras
from orchestrator.host.extras import how_to_install


@pytest.mark.parametrize("extra", ["similarity", "class"])
def test_every_path_in_it_is_there(extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extras, "IN_CHECKOUT", True)
    python, *_, lock = shlex.split(how_to_install(extra))
    assert Path(python).is_file()
    assert Path(lock).is_file()
    monkeypatch.setattr(extras, "IN_CHECKOUT", False)
    assert how_to_install(extra).endswith(f"'isolab[{extra}]'")
