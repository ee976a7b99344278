"""What an earlier grading wrote and this one did not: moved aside, so that nobody takes it for today's.

That is the feedback and results of students who are in the class no more, and platforms' files that were
not named this time.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

FORMER = "former"
"""Where they go, in the folder of grades, with the paths they had there."""
_OF_STUDENTS = ("feedback", "gradescope", "prairielearn")
"""Folders with a file or folder for each student."""
_IF_WANTED = ("moodle", "canvas", "prairielearn", "similarity.html")
"""What is written only if it is asked for."""


class Former(NamedTuple):
    """What was moved aside: names of ``students``, without endings, and paths of ``files``."""

    students: tuple[str, ...]
    files: tuple[str, ...]


def move_former(folder: Path, written: Iterable[str]) -> Former:
    """Move aside what is in students' and platforms' folders and has not been ``written`` anew: paths below
    ``folder``. What was moved earlier and has been written again goes. Raises OSError."""
    there: dict[str, set[str]] = {}
    for path in written:
        top, _, rest = path.partition("/")
        there.setdefault(top, set()).add(rest.partition("/")[0])
    students: list[str] = []
    files: list[str] = []
    for top in dict.fromkeys((*_OF_STUDENTS, *_IF_WANTED)):
        if top in there and (folder / top).is_dir():
            moved = list(_moved(folder, top, there[top]))
            if top in _OF_STUDENTS:
                students += [one.stem if one.suffix in (".html", ".md") else one.name for one in moved]
            else:
                files += [f"{top}/{one.name}" for one in moved]
        elif top in _IF_WANTED and top not in there and (folder / top).exists():
            _move(folder / top, folder / FORMER / top)
            files.append(top)
    with contextlib.suppress(OSError):  # unless something is in it
        (folder / FORMER).rmdir()
    return Former(tuple(dict.fromkeys(students)), tuple(files))


def _moved(folder: Path, top: str, names: set[str]) -> Iterator[Path]:
    """Move what has other ``names`` out of a folder, and remove what was moved out under these."""
    aside = folder / FORMER / top
    for name in names:
        _remove(aside / name)
    for entry in sorted((folder / top).iterdir()):
        if entry.name not in names and not entry.name.startswith("."):  # those are being written
            _move(entry, aside / entry.name)
            yield entry
    with contextlib.suppress(OSError):  # unless something is in it
        aside.rmdir()


def _move(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove(place)
    path.rename(place)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
