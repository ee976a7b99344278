"""The linters and the type checker have nothing to say."""

from __future__ import annotations

import sys

import pytest

from orchestrator import proc
from orchestrator.deadline import Deadline
from orchestrator.paths import ROOT


@pytest.mark.parametrize(
    "words", [("ruff", "check", "--quiet"), ("ruff", "format", "--check", "--quiet"), ("mypy",)], ids=" ".join
)
def test_nothing_to_say(words: tuple[str, ...]) -> None:
    done = proc.run([sys.executable, "-m", *words], deadline=Deadline.after(300), cwd=ROOT, check=False)
    assert done.code == 0, (done.stdout + done.stderr).decode()
