"""The linters and the type checker have nothing to say."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT


@pytest.mark.parametrize(
    "words", [("ruff", "check", "--quiet"), ("ruff", "format", "--check", "--quiet"), ("mypy",)], ids=" ".join
)
def test_nothing_to_say(words: tuple[str, ...]) -> None:
    done = process.run([sys.executable, "-m", *words], deadline=Deadline.after(300), cwd=ROOT, check=False)
    assert done.code == 0, (done.stdout + done.stderr).decode()


def test_nothing_is_imported_upward() -> None:
    """The order of the packages, as pyproject.toml has it for import-linter."""
    words = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = process.run(words, deadline=Deadline.after(120), cwd=ROOT, env=env, check=False)
    assert done.code == 0, (done.stdout + done.stderr).decode()
