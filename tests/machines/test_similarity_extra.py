"""Submissions compared by copydetect as it is locked, which the developers' packages do not have.

The library for pictures is most of what it brings (190 MB with it, 75 MB without), and no picture is drawn:
here it is empty.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT

pytestmark = pytest.mark.real

LOCK = ROOT / "requirements" / "similarity.txt"
WANTED = ("copydetect", "numpy", "tqdm")
"""The others are in the developers' packages."""
SECONDS = 300.0


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locked packages, and with matplotlib's name."""
    folder = tmp_path_factory.mktemp("similarity")
    locked = re.split(r"\n(?=\S)", LOCK.read_text())
    some = [each for each in locked if each.partition("==")[0] in WANTED]
    assert {each.partition("==")[0] for each in some} == {*WANTED}
    (folder / "lock.txt").write_text("\n".join(some) + "\n")
    pip: list[str | Path] = [
        sys.executable,
        "-P",
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-compile",
    ]
    pip += ["--no-deps", "--require-hashes", "--target", folder / "there", "-r", folder / "lock.txt"]
    process.run(pip, deadline=Deadline.after(SECONDS))
    (folder / "there/matplotlib").mkdir()
    for name in ("__init__.py", "pyplot.py"):
        (folder / "there/matplotlib" / name).touch()
    return folder / "there"


def test_what_compares_submissions_does(packages: Path) -> None:
    """The tests that are skipped without it."""
    file = ROOT / "tests/unit/gradebook/test_similarity.py"
    done = process.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", file],
        deadline=Deadline.after(SECONDS),
        env={**os.environ, "PYTHONPATH": str(packages)},
        cwd=ROOT,
        check=False,
    )
    said = done.stdout.decode()
    assert done.code == 0, said
    assert "skipped" not in said
