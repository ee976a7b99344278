"""Working folders end with their owner, and are found when it did not end them itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.scratch import LOCK, abandoned, working_folder


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "s"
    monkeypatch.setenv("ISOLAB_SCRATCH", str(folder))
    return folder


def test_a_folder_is_gone_after_its_block(scratch: Path) -> None:
    with working_folder("try") as folder:
        assert folder.parent == scratch
        (folder / "file").write_text("x")
    assert list(scratch.iterdir()) == []


def test_a_folder_in_use_is_not_abandoned() -> None:
    with working_folder("try"):
        assert list(abandoned()) == []


def test_a_folder_whose_owner_was_killed_is_abandoned(scratch: Path) -> None:
    with working_folder("other"):
        left = scratch / "try-left"
        left.mkdir()
        (left / LOCK).touch()
        assert list(abandoned()) == [left]
