"""Snapshot of a lab in its run's folder: the lab file, and the files of each exercise.

A report of the run shows these files, not later versions of them.
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
    load_kept_exercise,
)
from orchestrator.labfile.models import EXERCISE_PATTERN, Exercise
from orchestrator.labfile.shared import ABOVE, shared_files
from orchestrator.labfile.yaml_document import survey
from orchestrator.paths import EXERCISES
from orchestrator.record import Record
from orchestrator.results.comparison import RunInfo
from orchestrator.results.run_state import incomplete, missing_results

_FOLDER = "exercises"
_MOST_BYTES = 64 * 2**10
"""Limit for one source file in a report."""


def keep(lab: LoadedLab, folder: Path) -> None:
    """Copy the lab's file and its exercises' files into ``folder``. Raises OSError.

    A missing file is left out: building the exercise reports it, with a reason.
    """
    shutil.copyfile(lab.path, folder / LAB_FILE)
    for exercise in (whole.public for whole in lab.exercises):
        place = folder / _FOLDER / _inside(exercise.name)
        for name in (EXERCISE_FILE, *_made_of(exercise)):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                _copy(exercise, name, place)


def about_run(folder: Path, records: Sequence[Record]) -> RunInfo:
    """Return what ``folder`` holds about the run of ``records``; it may hold nothing."""
    text: Mapping[str, object] = {}
    with contextlib.suppress(OSError, LabError, TypeError, ValueError):
        text = dict(survey((folder / LAB_FILE).read_text(encoding="utf-8"), LAB_FILE).data)
    sources = {name: dict(_sources(folder / _FOLDER / _inside(name))) for name in _names(records)}
    return RunInfo(
        _text(text.get("title")),
        _text(text.get("description")),
        sources,
        incomplete(folder, records),
        missing_results(folder, records),
    )


def specs_of(folder: Path, records: Sequence[Record]) -> dict[str, Exercise]:
    """Return titles, row labels, checks and explanations: from the snapshot, else from the exercises.

    Raises SpecError when one of these files is invalid.
    """
    found = {}
    for name in _names(records):
        places = [folder / _FOLDER / _inside(name), *([] if name.startswith("./") else [EXERCISES / name])]
        for place in places:
            if (place / EXERCISE_FILE).is_file():
                found[name] = load_kept_exercise(place, name).spec
                break
    return found


def _made_of(exercise: LoadedExercise) -> Iterator[str]:
    """Yield the files of an exercise that students may see: only those its exercise file names.

    A student's files are kept as they ran, or, where the reference solution ran, as the skeleton.
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
    """Yield the files kept of an exercise, and those it shares with its neighbours."""
    for name in _kept_beside(place):
        yield f"{ABOVE}{name}", _text_of(place.parent / name)
    others = [path.parent for path in place.rglob(EXERCISE_FILE) if path.parent != place]
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name != EXERCISE_FILE and not set(others) & set(path.parents):
            yield str(path.relative_to(place)), _text_of(path)


def _kept_beside(place: Path) -> Sequence[str]:
    with contextlib.suppress(LabError):  # its own file is invalid, or was not kept
        return _shared(load_kept_exercise(place, place.name))
    return ()


def _shared(exercise: LoadedExercise) -> Sequence[str]:
    with contextlib.suppress(ValueError, OSError):  # missing: reported when it is built
        return shared_files(exercise.folder, exercise.spec.shares)
    return ()


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")


def _names(records: Iterable[Record]) -> Iterator[str]:
    """Yield the exercises of ``records``, except names no lab can have: they might lead elsewhere."""
    for name in dict.fromkeys(record.exercise for record in records):
        if re.fullmatch(EXERCISE_PATTERN, name):
            yield name


def _inside(name: str) -> str:
    return name.removeprefix("./")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def exercises_in(folder: Path) -> Path:
    """Return where ``keep`` puts the exercises' files of a run in ``folder``."""
    return folder / _FOLDER
