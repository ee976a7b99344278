"""Exercises for students are whole by themselves: what their testers share is copied, and stays the same."""

from __future__ import annotations

from orchestrator.paths import EXERCISES

SHARING = ("fifo-service", "reload-on-hup", "signal-safe-logger", "peer-credentials", "trusted-sender")


def test_copies_of_a_header_do_not_drift_apart() -> None:
    copies = {(EXERCISES / "work" / name / "child.h").read_text() for name in SHARING}
    assert len(copies) == 1
