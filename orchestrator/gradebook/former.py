"""Feedback and results of students who are in the class no more: moved aside, so that none is handed out."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

FORMER = "former"
"""Where they go, in the folder of grades, with the paths they had there."""
_OF_STUDENTS = ("feedback", "gradescope", "prairielearn")
"""Folders with a file or folder for each student."""


def move_former(folder: Path, written: Iterable[str]) -> tuple[str, ...]:
    """Move aside what is in students' folders that have been ``written`` anew, and is not of what was: paths
    below ``folder``. What was moved earlier and has been written again goes. Returns the names of what was
    moved, without endings. Raises OSError."""
    there: dict[str, set[str]] = {}
    for path in written:
        top, _, rest = path.partition("/")
        if top in _OF_STUDENTS:
            there.setdefault(top, set()).add(rest.partition("/")[0])
    moved = []
    for top, names in there.items():
        aside = folder / FORMER / top
        for name in names:
            _remove(aside / name)
        for entry in sorted((folder / top).iterdir()):
            if entry.name not in names and not entry.name.startswith("."):  # those are being written
                aside.mkdir(parents=True, exist_ok=True)
                _remove(aside / entry.name)
                entry.rename(aside / entry.name)
                moved.append(entry.stem if entry.suffix in (".html", ".md") else entry.name)
        with contextlib.suppress(OSError):  # unless something is in it
            aside.rmdir()
            aside.parent.rmdir()
    return tuple(dict.fromkeys(moved))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
