"""The file `isolab` itself, as people start it: from any folder, in any environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import environment
from habitat import fresh_home

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT

pytestmark = pytest.mark.real

ISOLAB = ROOT / "isolab"
SECONDS = 300.0
"""It may have to set up the virtual environment first."""


def test_no_module_is_taken_from_the_folder_one_stands_in(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('what a student left here was run')\n")
    (tmp_path / "orchestrator.py").write_text("raise SystemExit('what a student left here was run')\n")
    done = process.run(
        [ISOLAB, "validate", ROOT / "labs" / "separation"], deadline=Deadline.after(SECONDS), cwd=tmp_path
    )
    assert done.code == 0


def test_modules_are_compiled_once_even_where_python_is_told_to_keep_nothing(tmp_path: Path) -> None:
    """Compiled into a folder of the test's own: the checkout's serves whoever else runs now."""
    with fresh_home() as home:
        env = environment(home, PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX=str(tmp_path))
        process.run([ISOLAB, "schema"], deadline=Deadline.after(SECONDS), env=env)
    kept = {path.name.split(".")[0] for path in tmp_path.rglob("orchestrator/**/*.pyc")}
    assert {"errors", "load"} <= kept  # one loaded before Invoke reads the command line, one after


def test_it_runs_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "lab").symlink_to(ISOLAB)
    (tmp_path / "isolab").symlink_to("there/lab")
    done = process.run([tmp_path / "isolab", "--version"], deadline=Deadline.after(SECONDS), cwd=tmp_path)
    assert done.stdout.startswith(b"isolab ")
