"""Invoke without what it loads for nothing; an Invoke that has use for it gets it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT

START = f"import sys; sys.path[:0] = [sys.argv[1], {str(ROOT)!r}]\n"


def printed(script: str, first: Path) -> str:
    argv = [sys.executable, "-P", "-c", START + script, str(first)]
    return process.run(argv, deadline=Deadline.after(60)).stdout.decode()


def test_a_start_loads_no_tools_for_tests_and_no_yaml(tmp_path: Path) -> None:
    script = (
        "from orchestrator.cli.main import run\n"
        "assert run(['isolab', '--version']) == 0\n"
        "print([name for name in ('asyncio', 'unittest.mock', 'yaml') if name in sys.modules])\n"
        "import unittest.mock; print(unittest.mock.Mock.__name__, unittest.mock.patch.__name__)\n"
    )
    assert printed(script, tmp_path).splitlines()[1:] == ["[]", "Mock patch"]


@pytest.mark.parametrize(
    "use", ["from unittest.mock import patch", "import unittest.mock\nunittest.mock.patch", "import no_such"]
)
def test_another_invoke_is_imported_as_usual(tmp_path: Path, use: str) -> None:
    (tmp_path / "invoke").mkdir()
    (tmp_path / "invoke/__init__.py").write_text(f"{use}\n")
    script = (
        "from orchestrator.cli import invoke_start\n"
        "invoke_start.load()\n"
        "try: import invoke; print(invoke.__file__)\n"
        "except ImportError as problem: print(problem)\n"
    )
    expected = "No module named 'no_such'" if "no_such" in use else str(tmp_path / "invoke/__init__.py")
    assert printed(script, tmp_path) == f"{expected}\n"
