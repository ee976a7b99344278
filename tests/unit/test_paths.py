"""Where isolab keeps things: the settings, and a scratch folder that nobody else can meddle with."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import paths
from orchestrator.errors import Unavailable


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("ISOLAB_CACHE", paths.cache_dir),
        ("ISOLAB_STATE", paths.state_dir),
        ("ISOLAB_SCRATCH", paths.scratch_base),
    ],
)
def test_the_environment_names_a_folder_which_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, folder: Callable[[], Path]
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "a" / "b"))
    assert folder() == tmp_path / "a" / "b"
    assert folder().is_dir()


@pytest.mark.parametrize(
    ("ours", "xdg", "default", "folder"),
    [
        ("ISOLAB_CACHE", "XDG_CACHE_HOME", ".cache/isolab", paths.cache_dir),
        ("ISOLAB_STATE", "XDG_STATE_HOME", ".local/state/isolab", paths.state_dir),
    ],
)
def test_without_a_setting_the_desktop_standard_decides(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ours: str,
    xdg: str,
    default: str,
    folder: Callable[[], Path],
) -> None:
    monkeypatch.delenv(ours, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(xdg, raising=False)
    assert folder() == tmp_path / default
    monkeypatch.setenv(xdg, str(tmp_path / "xdg"))
    assert folder() == tmp_path / "xdg" / "isolab"


def test_the_default_scratch_folder_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISOLAB_SCRATCH", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert paths.scratch_base() == tmp_path / f"isolab-{os.getuid()}"
    assert paths.scratch_base().stat().st_mode & 0o777 == 0o711


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_scratch_folder_others_can_write_to_is_refused(scratch: Path, mode: int) -> None:
    scratch.mkdir()
    scratch.chmod(mode)
    with pytest.raises(Unavailable, match="only this user can write") as caught:
        paths.scratch_dir()
    assert "ISOLAB_SCRATCH" in caught.value.hint


def test_a_scratch_folder_of_somebody_else_is_refused(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.mkdir(mode=0o700)
    ours = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: ours + 1)
    with pytest.raises(Unavailable, match="only this user can write"):
        paths.scratch_dir()


def test_a_scratch_folder_that_is_a_link_is_refused(scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    scratch.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="only this user can write"):
        paths.scratch_dir()
