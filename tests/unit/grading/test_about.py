"""What a folder of grades says it is about, and what another grading into it says."""

from __future__ import annotations

from pathlib import Path

from orchestrator.grading.about import About, otherwise, read_about, write_about


def test_another_choice_is_told_in_a_line_each(tmp_path: Path) -> None:
    write_about(tmp_path, About("lab.yaml", {}, chosen={"exercises": "a, b", "roster": "none"}))
    before = read_about(tmp_path).chosen
    now = {"exercises": "a", "machines": "vm", "roster": "class.csv"}
    assert list(otherwise(before, now)) == [
        "graded before with exercises a, b; now a",
        "graded before with roster none; now class.csv",
    ]
    assert list(otherwise(before, before)) == []
