"""Files that the exercises of a topic share. They lie in the topic's folder, the one above an exercise's, and
keep that place wherever an exercise is built: its sources name them ``../support/child.c``."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from orchestrator.host.confine import confined

ABOVE = "../"
"""What a source begins with that is shared."""
_EXERCISE_FILE = "exercise.yaml"


def files_of(folder: Path, name: str) -> list[str]:
    """The files that one entry of ``shared`` stands for, by their paths in the folder above the exercise's
    ``folder``: the file itself, or all files of a folder.

    Raises FileNotFoundError when there is no such entry, ValueError when it leads outside, or is a folder
    without files or with an exercise in it: that has a solution.
    """
    topic = folder.resolve().parent
    place = confined(topic, name)
    found = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    if not found:
        raise ValueError("holds no files")
    if place.is_dir() and any(path.name == _EXERCISE_FILE for path in found):
        raise ValueError("holds an exercise")
    names = [str(Path(name) / path.relative_to(place)) for path in found]
    for inside in names:
        confined(topic, inside)  # a link in a folder may lead elsewhere
    return names


def shared_files(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The files that these entries stand for, each once. Raises as ``files_of``, with the entry's name."""
    found: dict[str, None] = {}
    for name in names:
        try:
            found |= dict.fromkeys(files_of(folder, name))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
        except FileNotFoundError:
            raise FileNotFoundError(name) from None
    return tuple(found)


def lay(folder: Path, files: Iterable[str], target: Path) -> None:
    """Copy the shared ``files`` of the exercise in ``folder`` into the folder ``target``, where a copy of the
    exercise will lie. Raises OSError."""
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.resolve().parent / name, target / name)
