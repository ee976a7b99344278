"""Copy a lab and its exercises for editing: built-in exercises become the lab's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.labfile.hidden_files import SOLUTIONS, hidden_names, is_among
from orchestrator.labfile.load import EXERCISE_FILE, LAB_FILE, LoadedExercise, LoadedLab
from orchestrator.labfile.suggest import quote
from orchestrator.labfile.writable_copy import Ignore, writable_copy, writable_file
from orchestrator.labfile.yaml_document import decode, parse

_OWN = "./"


def copy_lab(lab: LoadedLab, target: Path, *, for_students: bool = False) -> tuple[str, ...]:
    """Copy ``lab`` into the folder ``target``: its file, its image recipes, and every exercise it names;
    ``for_students`` without hidden tests and solutions.

    The file in ``target`` names all of them as its own (``./memory/address-space``). Returns these
    names in the lab's order. Raises SpecError when ``target`` exists and is not an empty folder, or
    when two exercises would be copied to the same place; OSError.
    """
    _check_target(target, lab.exercises)
    names = _own_names(lab.exercises)
    text = _renamed(decode(lab.path.read_bytes(), str(lab.path)), str(lab.path))
    target.mkdir(parents=True, exist_ok=True)
    for exercise in lab.exercises:
        _copy_exercise(exercise, target, for_students=for_students)
    if lab.recipes:
        writable_copy(lab.path.parent / "images", target / "images")
    # Last: an interrupted copy is not a lab.
    (target / LAB_FILE).write_text(text, encoding="utf-8")
    return names


def _check_target(target: Path, exercises: Sequence[LoadedExercise]) -> None:
    wrong = ""
    if target.is_dir():
        wrong = "is not empty" if any(target.iterdir()) else ""
    elif target.exists() or target.is_symlink():
        wrong = "is not a folder"
    if any(target.resolve().is_relative_to(exercise.folder.resolve()) for exercise in exercises):
        wrong = "is inside one of the lab's exercises"
    if wrong:
        raise SpecError(f"{target} {wrong}", hint="choose a new or empty folder")


def _own_names(exercises: Sequence[LoadedExercise]) -> tuple[str, ...]:
    names = tuple(_own(exercise.name) for exercise in exercises)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            f"a built-in exercise and one of the lab's own would both be copied to {', '.join(twice)}",
            hint="rename the lab's own exercise",
        )
    return names


def _own(name: str) -> str:
    return name if name.startswith(_OWN) else _OWN + name


def _renamed(text: str, file: str) -> str:
    """The text of a lab file with ``./`` before the exercises that lack it; all else stays as written.

    Raises SpecError for an exercise that is not written out by name.
    """
    document = parse(text, file)
    written: list[str] = document.data["exercises"]
    lines = text.split("\n")
    # From the end, so that an insertion does not move the entries still to come.
    for index in reversed(range(len(written))):
        name = written[index]
        line, column = document.place(("exercises", index))
        whole = lines[line - 1] if line <= len(lines) else ""
        before, rest = whole[: column - 1], whole[column - 1 :]
        quoted = rest[:1] if rest[:1] in {"'", '"'} else ""
        if not rest.startswith(quoted + name):
            raise SpecError(
                f"{file}:{line}:{column}: exercise {quote(name)} is not written out here",
                hint="list exercises by name, without aliases or escapes",
            )
        lines[line - 1] = before + quoted + _own(name) + rest[len(quoted + name) :]
    return "\n".join(lines)


def _copy_exercise(exercise: LoadedExercise, target: Path, *, for_students: bool) -> None:
    """Copy an exercise's folder, and the files beside it that its topic's exercises share."""
    place = target / exercise.name
    writable_copy(exercise.folder, place, _withheld(exercise) if for_students else None)
    for path in _shared(exercise):
        if path.is_dir():
            writable_copy(path, place.parent / path.name)
        elif path.is_file():  # not a FIFO, nor an editor's lock
            (place.parent / path.name).parent.mkdir(parents=True, exist_ok=True)
            writable_file(path, place.parent / path.name)


def _withheld(exercise: LoadedExercise) -> Ignore:
    """Return what leaves out the hidden tests and solutions of an exercise that students solve."""
    hidden = hidden_names(exercise) | {f"{name}/" for name in SOLUTIONS if exercise.spec.student}

    def left_out(folder: str, names: list[str]) -> set[str]:
        below = Path(folder).relative_to(exercise.folder)
        paths = {name: str(below / name) for name in names}
        return {name for name, path in paths.items() if is_among(path, hidden) or f"{path}/" in hidden}

    return left_out


def _shared(exercise: LoadedExercise) -> Iterator[Path]:
    """The headers that the exercise names, and everything in its topic's folder that is not an exercise."""
    beside = exercise.folder.parent
    for build in exercise.spec.build:
        yield from (beside / name for name in build.headers)
    if "/" in exercise.name.removeprefix(_OWN):
        yield from (path for path in sorted(beside.iterdir()) if not _holds_exercises(path))


def _holds_exercises(path: Path) -> bool:
    return path.is_dir() and any(path.rglob(EXERCISE_FILE))
