"""What a run's folder keeps of its lab: the lab file, and of each exercise the files it is made of.

A report of the run shows these, not what has become of them since.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.labfile.check_submission import SKELETON
from orchestrator.labfile.load import (
    EXERCISE_FILE,
    LAB_FILE,
    LoadedExercise,
    LoadedLab,
    load_exercise,
)
from orchestrator.labfile.models import EXERCISE_PATTERN, Exercise
from orchestrator.labfile.shared import ABOVE, shared_files
from orchestrator.labfile.yaml_document import survey
from orchestrator.paths import EXERCISES
from orchestrator.record import Record
from orchestrator.results.comparison import About

_FOLDER = "exercises"
_MOST_BYTES = 64 * 2**10
"""Of one source file, as it is shown."""


def keep(lab: LoadedLab, folder: Path) -> None:
    """Copy the lab's file and its exercises' files into ``folder``. Raises OSError.

    A file that is missing is left out: that is told where the exercise is built, with a reason.
    """
    shutil.copyfile(lab.path, folder / LAB_FILE)
    for exercise in (whole.public for whole in lab.exercises):
        place = folder / _FOLDER / _inside(exercise.name)
        for name in (EXERCISE_FILE, *_made_of(exercise)):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                _copy(exercise, name, place)


def about_run(folder: Path, records: Sequence[Record]) -> About:
    """What ``folder`` tells about the run of ``records``; a run that kept nothing is still a run."""
    said: Mapping[str, object] = {}
    with contextlib.suppress(OSError, LabError, TypeError, ValueError):
        said = dict(survey((folder / LAB_FILE).read_text(encoding="utf-8"), LAB_FILE).data)
    sources = {name: dict(_sources(folder / _FOLDER / _inside(name))) for name in _names(records)}
    return About(_text(said.get("title")), _text(said.get("description")), sources)


def specs_of(folder: Path, records: Sequence[Record]) -> dict[str, Exercise]:
    """Titles, row labels, checks and explanations: as kept, else of exercises that are still there.

    Raises SpecError when one of these files cannot be understood.
    """
    found = {}
    for name in _names(records):
        places = [folder / _FOLDER / _inside(name), *([] if name.startswith("./") else [EXERCISES / name])]
        for place in places:
            if (place / EXERCISE_FILE).is_file():
                found[name] = load_exercise(place, name).spec
                break
    return found


def _made_of(exercise: LoadedExercise) -> Iterator[str]:
    """The files of an exercise that students may see: never more than its file names.

    What a student is to write is kept as it was run, or, where the reference solution was, as students
    find it.
    """
    spec = exercise.spec
    for name in spec.student.files if spec.student else []:
        yield name if (exercise.folder / name).is_file() else f"{SKELETON}/{name}"
    for build in spec.build:
        yield from (name for name in build.sources if not name.startswith(ABOVE))
    yield from (f"{ABOVE}{name}" for name in _shared(exercise))
    yield from spec.files
    yield from (step.stdin for step in spec.run if step.stdin)


def _copy(exercise: LoadedExercise, name: str, place: Path) -> None:
    target = place / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(exercise.folder / name, target)


def _sources(place: Path) -> Iterator[tuple[str, str]]:
    """The files kept of an exercise, and those it shares with its neighbours."""
    for name in _kept_beside(place):
        yield f"{ABOVE}{name}", _text_of(place.parent / name)
    others = [path.parent for path in place.rglob(EXERCISE_FILE) if path.parent != place]
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name != EXERCISE_FILE and not set(others) & set(path.parents):
            yield str(path.relative_to(place)), _text_of(path)


def _kept_beside(place: Path) -> Sequence[str]:
    with contextlib.suppress(LabError):  # its own file is not understood, or was not kept
        return _shared(load_exercise(place, place.name))
    return ()


def _shared(exercise: LoadedExercise) -> Sequence[str]:
    with contextlib.suppress(ValueError, OSError):  # missing: told where it is built
        return shared_files(exercise.folder, exercise.spec.shares)
    return ()


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")


def _names(records: Iterable[Record]) -> Iterator[str]:
    """The exercises of ``records``, but for names that no lab can give: they might lead elsewhere."""
    for name in dict.fromkeys(record.exercise for record in records):
        if re.fullmatch(EXERCISE_PATTERN, name):
            yield name


def _inside(name: str) -> str:
    return name.removeprefix("./")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
