"""The file `isolab` itself, as people start it: from any folder, in any environment."""

from __future__ import annotations

from importlib.util import cache_from_source
from pathlib import Path

import pytest
from command import environment
from habitat import fresh_home

from orchestrator import proc
from orchestrator.deadline import Deadline
from orchestrator.paths import ROOT

pytestmark = pytest.mark.real

ISOLAB = ROOT / "isolab"
SECONDS = 300.0
"""It may have to set up the virtual environment first."""


def test_no_module_is_taken_from_the_folder_one_stands_in(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('what a student left here was run')\n")
    (tmp_path / "orchestrator.py").write_text("raise SystemExit('what a student left here was run')\n")
    done = proc.run(
        [ISOLAB, "validate", ROOT / "labs" / "separation"], deadline=Deadline.after(SECONDS), cwd=tmp_path
    )
    assert done.code == 0


def test_modules_are_compiled_once_even_where_python_is_told_to_keep_nothing() -> None:
    names = ("cli.py", "verbs/labs.py")  # one loaded before Invoke reads the command line, one after
    kept = [Path(cache_from_source(str(ROOT / "orchestrator" / name))) for name in names]
    for path in kept:
        path.unlink(missing_ok=True)
    with fresh_home() as home:
        env = environment(home, PYTHONDONTWRITEBYTECODE="1")
        proc.run([ISOLAB, "schema"], deadline=Deadline.after(SECONDS), env=env)
    assert [path.exists() for path in kept] == [True, True]
