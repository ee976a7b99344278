"""Files shared by the exercises of a topic. They are in the topic's folder, the one above an exercise's, and
keep that relative place wherever an exercise is built: sources name them ``../support/child.c``."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from orchestrator.host.confine import confined

ABOVE = "../"
"""Prefix of a shared source's path."""
_EXERCISE_FILE = "exercise.yaml"


def files_of(folder: Path, name: str) -> list[str]:
    """The files that one entry of ``shared`` stands for, by their paths in the folder above the exercise's
    ``folder``: the file itself, or all files of a folder.

    Raises FileNotFoundError if the entry does not exist, ValueError if it points outside, or is a folder
    without files or with an exercise in it, which would include a solution.
    """
    topic = folder.resolve().parent
    place = confined(topic, name)
    found = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    if not found:
        raise ValueError("contains no files")
    if place.is_dir() and any(path.name == _EXERCISE_FILE for path in found):
        raise ValueError("contains an exercise")
    names = [str(Path(name) / path.relative_to(place)) for path in found]
    for inside in names:
        confined(topic, inside)  # a link in a folder may point elsewhere
    return names


def shared_files(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The files that these entries stand for, each once. Raises as ``files_of``, naming the entry."""
    found: dict[str, None] = {}
    for name in names:
        try:
            found |= dict.fromkeys(files_of(folder, name))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
        except FileNotFoundError:
            raise FileNotFoundError(name) from None
    return tuple(found)


def copy_shared(folder: Path, files: Iterable[str], target: Path) -> None:
    """Copy the shared ``files`` of the exercise in ``folder`` into the folder ``target``, next to a copy
    of the exercise. Raises OSError."""
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.resolve().parent / name, target / name)
