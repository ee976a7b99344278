"""The rate of the counter by which emulated PCs keep time."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.host import time_stamp_counter
from orchestrator.host.time_stamp_counter import counter_khz, khz_for


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path))
    return tmp_path / "time-stamp-counter.json"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 processors have it")
def test_it_is_measured_in_whole_megahertz(state: Path) -> None:
    found = counter_khz()
    assert found is None or (found > 100_000 and found % 1000 == 0)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 processors have it")
def test_what_was_measured_holds_until_the_host_starts_again(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_stamp_counter, "_measured", lambda: 1_000_000)
    assert counter_khz() == 1_000_000
    monkeypatch.setattr(time_stamp_counter, "_measured", lambda: 2_000_000)
    assert counter_khz() == 1_000_000
    known = json.loads(state.read_text())
    state.write_text(json.dumps({**known, "boot": "another"}))
    assert counter_khz() == 2_000_000


@pytest.mark.parametrize("content", ["", "[]", '{"boot": 1}', "\0", '{"khz": "x"}'])
def test_a_damaged_note_is_made_again(state: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(time_stamp_counter, "_measured", lambda: 3_000_000)
    state.write_text(content)
    assert counter_khz() == 3_000_000


def test_other_processors_have_none(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert counter_khz() is None
    assert not state.exists()


def test_only_emulated_pcs_on_this_host_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_stamp_counter, "counter_khz", lambda: 1_000_000)
    assert khz_for(ARCHITECTURES["amd64"], "tcg") == 1_000_000
    assert khz_for(ARCHITECTURES["amd64"], "kvm") is None
    assert khz_for(ARCHITECTURES["amd64"], "tcg", remote=True) is None
    assert khz_for(ARCHITECTURES["arm64"], "tcg") is None
