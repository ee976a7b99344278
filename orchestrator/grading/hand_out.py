"""What students get of a lab: without hidden tests and solutions, and with their own parameters."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.exercises.parameters import readme, values
from orchestrator.labfile.check_parameters import README
from orchestrator.labfile.copy_lab import copy_lab
from orchestrator.labfile.load import EXERCISE_FILE, LoadedExercise, LoadedLab
from orchestrator.labfile.placeholders import names_in
from orchestrator.labfile.yaml_document import parse
from orchestrator.submissions.file_names import file_name
from orchestrator.submissions.model import Student

Parameters = Mapping[str, Mapping[str, object]]
"""How the values of parameters are derived, by name, as an exercise file has it."""
_KEY = "parameters"


def hand_out(lab: LoadedLab, target: Path, students: Sequence[Student], course: bytes) -> tuple[str, ...]:
    """Copy a lab for students into the folder ``target``; for each of these ``students``, if there are any,
    into a folder of their own there, with their parameters. Returns the names of the exercises.

    Raises SpecError when ``target`` exists and is not empty; OSError.
    """
    if not students:
        names = copy_lab(lab, target, for_students=True)
        for exercise in _with_parameters(lab):
            _write(target / exercise.name, _as_written(exercise))
        return names
    for student in students:
        place = target / file_name(student.id)
        names = copy_lab(lab, place, for_students=True)
        for file, text in list(own_texts(lab, place, student.id, course)):
            file.write_text(text, encoding="utf-8")
    return names


def own_texts(lab: LoadedLab, copied: Path, student: str, course: bytes) -> Iterator[tuple[Path, str]]:
    """Yield the files of a lab ``copied`` for students whose text is different for each student, by their
    paths in the copy, and the text that the student of this id gets. The copy is only read. Raises OSError.
    """
    for exercise in _with_parameters(lab):
        own = values(exercise.spec, exercise.name, student, course)
        folder = copied / exercise.name
        yield folder / EXERCISE_FILE, _written(folder, {name: {"value": one} for name, one in own.items()})
        if (folder / README).is_file():
            yield folder / README, readme(exercise, own)


def _with_parameters(lab: LoadedLab) -> list[LoadedExercise]:
    return [exercise for exercise in lab.exercises if exercise.spec.parameters]


def _as_written(exercise: LoadedExercise) -> Parameters:
    return {name: how.model_dump(exclude_unset=True) for name, how in exercise.spec.parameters.items()}


def _write(folder: Path, parameters: Parameters) -> None:
    (folder / EXERCISE_FILE).write_text(_written(folder, parameters), encoding="utf-8")


def _written(folder: Path, parameters: Parameters) -> str:
    """Return the text of a copy's exercise file with these parameters, without those that only hidden tests
    use; all else stays as written."""
    before, after, used = _around((folder / EXERCISE_FILE).read_text(encoding="utf-8"), folder)
    left = {name: how for name, how in parameters.items() if name in used}
    written = f"{_KEY}: {json.dumps(left)}\n" if left else ""
    return before + written + after


@functools.lru_cache(maxsize=64)
def _around(text: str, folder: Path) -> tuple[str, str, frozenset[str]]:
    """Return what is before and after the parameters in an exercise file, and the names used there. A class
    asks for the same text once for each student."""
    document = parse(text, str(folder / EXERCISE_FILE))
    starts = sorted(document.place((key,), key=True)[0] for key in document.data)
    first = document.place((_KEY,), key=True)[0]
    after = next((line for line in starts if line > first), None)
    lines = text.splitlines(keepends=True)
    before, rest = "".join(lines[: first - 1]), "".join(lines[after - 1 :] if after else [])
    return before, rest, frozenset((*names_in(before), *names_in(rest)))
