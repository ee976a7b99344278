"""What a killed grading leaves goes with the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.grading.leftovers import COMPARING, DERIVING, GRADING, TESTING, remove_leftovers
from orchestrator.host.tempdirs import LOCK, working_folder
from orchestrator.paths import scratch_dir
from orchestrator.progress import SilentProgress
from orchestrator.submissions.intake import WORKING as UNPACKING


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "s"))
    return scratch_dir()


@pytest.mark.parametrize("purpose", [GRADING, DERIVING, TESTING, COMPARING, UNPACKING])
def test_copies_of_what_students_handed_in_go(scratch: Path, purpose: str) -> None:
    left = scratch / f"{purpose}-abcd1234"
    (left / "work").mkdir(parents=True)
    (left / "work" / "sum.c").touch()
    (left / LOCK).touch()
    with working_folder(purpose) as ours:
        remove_leftovers(SilentProgress())
        assert not left.exists()
        assert ours.exists()


def test_what_others_left_stays(scratch: Path) -> None:
    left = scratch / "image-abcd1234"
    left.mkdir()
    (left / LOCK).touch()
    remove_leftovers(SilentProgress())
    assert left.exists()
