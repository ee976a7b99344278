"""What students get of a lab: without hidden tests and solutions, and with their own parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    with_parameters = [exercise for exercise in lab.exercises if exercise.spec.parameters]
    if not students:
        names = copy_lab(lab, target, for_students=True)
        for exercise in with_parameters:
            _write(target / exercise.name, _as_written(exercise))
        return names
    for student in students:
        place = target / file_name(student.id)
        names = copy_lab(lab, place, for_students=True)
        for exercise in with_parameters:
            own = values(exercise.spec, exercise.name, student.id, course)
            _write(place / exercise.name, {name: {"value": value} for name, value in own.items()})
            if (place / exercise.name / README).is_file():
                (place / exercise.name / README).write_text(readme(exercise, own), encoding="utf-8")
    return names


def _as_written(exercise: LoadedExercise) -> Parameters:
    return {name: how.model_dump(exclude_unset=True) for name, how in exercise.spec.parameters.items()}


def _write(folder: Path, parameters: Parameters) -> None:
    """Write these parameters into the copy of an exercise file, without those that only hidden tests use; all
    else stays as written."""
    file = folder / EXERCISE_FILE
    text = file.read_text(encoding="utf-8")
    document = parse(text, str(file))
    starts = sorted(document.place((key,), key=True)[0] for key in document.data)
    first = document.place((_KEY,), key=True)[0]
    after = next((line for line in starts if line > first), None)
    lines = text.splitlines(keepends=True)
    around = "".join(lines[: first - 1]), "".join(lines[after - 1 :] if after else [])
    used = {*names_in(around[0]), *names_in(around[1])}
    left = {name: how for name, how in parameters.items() if name in used}
    written = f"{_KEY}: {json.dumps(left)}\n" if left else ""
    file.write_text(around[0] + written + around[1], encoding="utf-8")
