"""Working folders end with their owner, and are found when it did not end them itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.host.tempdirs import LOCK, abandoned, working_folder
from orchestrator.paths import STATE_NOTE, scratch_dir


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "s"))
    return scratch_dir()


def test_a_folder_is_gone_after_its_block(scratch: Path) -> None:
    with working_folder("try") as folder:
        assert folder.parent == scratch
        (folder / "file").write_text("x")
    assert [path.name for path in scratch.iterdir()] == [STATE_NOTE]


def test_a_folder_in_use_is_not_abandoned() -> None:
    with working_folder("try"):
        assert list(abandoned()) == []


def test_a_folder_whose_owner_was_killed_is_abandoned(scratch: Path) -> None:
    with working_folder("other"):
        left = scratch / "try-left"
        left.mkdir()
        (left / LOCK).touch()
        assert list(abandoned()) == [left]


def test_one_whose_owner_was_killed_before_it_was_locked_is_abandoned(scratch: Path) -> None:
    for name in ("release-t7toa1qh", "20261126-045027-bc3a", "somebodys"):
        (scratch / name).mkdir()
    assert list(abandoned()) == [scratch / "release-t7toa1qh"]
    assert {path.name for path in scratch.iterdir()} == {"20261126-045027-bc3a", "somebodys", STATE_NOTE}


def test_whoever_is_killed_while_it_removes_one_leaves_what_tells_whose_it_was(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working_folder("try") as folder:
        (folder / "file").write_text("x")
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    assert list(folder.iterdir()) == [folder / LOCK]
    assert list(abandoned()) == [folder]
