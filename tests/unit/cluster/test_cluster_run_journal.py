"""The journal of a run tells the supervisor which runs are carried out."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.cluster.scheduling.run_journal import run_journal, running


def test_a_run_is_carried_out_as_long_as_its_journal_is_held(tmp_path: Path) -> None:
    assert running(tmp_path) == []
    with run_journal(tmp_path, "one") as journal:
        journal.note("unit", 1, "a", "given")
        assert running(tmp_path) == ["one"]
        text = (tmp_path / "runs" / "one.jsonl").read_text()
        assert json.loads(text) == {"unit": "unit", "epoch": 1, "host": "a", "what": "given"}
    assert running(tmp_path) == []
    assert not list((tmp_path / "runs").iterdir())


def test_the_journal_of_a_run_that_was_killed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "killed.jsonl").write_text("{}\n")
    assert running(tmp_path) == []
    assert not list((tmp_path / "runs").iterdir())
