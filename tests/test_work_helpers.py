"""Exercises for students are whole by themselves, so what their testers share is copied: and stays the same."""

from __future__ import annotations

from orchestrator.paths import EXERCISES


def test_copies_of_a_header_do_not_drift_apart() -> None:
    copies = sorted((EXERCISES / "work").glob("*/child.h"))
    assert len(copies) >= 5
    assert {copy.read_text() for copy in copies} == {copies[0].read_text()}
