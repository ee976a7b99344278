"""Combine a student's work with its exercise: which files are taken, from where, and the folder of both
that is built and run.

Submissions are hostile: only the files an exercise names are taken, as regular files of bounded size
from within the student's folder, and they are copied once, before anything reads them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.driver_traits import TRAITS
from orchestrator.errors import Problem, SpecError
from orchestrator.host.confine import confined
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.check_submission import SKELETON, SOLUTION, WRONG
from orchestrator.labfile.load import HIDDEN_FILE, LoadedExercise, LoadedLab
from orchestrator.labfile.shared import copy_shared, shared_files
from orchestrator.labfile.writable_copy import writable_copy
from orchestrator.labfile.yaml_nodes import refusal

MOST_BYTES = 2**20
"""Maximum size of one submitted file."""

Files = Mapping[str, bytes]


@contextlib.contextmanager
def with_work(
    lab: LoadedLab, work: Path | None, chosen: Sequence[str] = ()
) -> Iterator[tuple[LoadedLab, list[str]]]:
    """Yield the lab with work in its student exercises, and messages on whose work it is.

    ``work`` is a student's folder; None means the reference solutions or, without one, the skeletons.
    ``chosen`` are the exercises that will run (empty: all): work on others may be missing. Raises
    SpecError, naming every file that is missing or invalid.
    """
    wanted = [e for e in lab.exercises if e.spec.student and (not chosen or e.name in chosen)]
    if not wanted:
        if work is not None:
            raise SpecError(
                "--work has no effect: no student exercise selected",
                hint="omit --work, or select an exercise for students",
            )
        yield lab, []
        return
    found = _provided(wanted) if work is None else handed_in(work, wanted)
    with working_folder("work") as folder:
        done = {
            exercise.name: assembled(exercise, files, folder / str(number), from_student=work is not None)
            for number, (exercise, files) in enumerate(zip(wanted, found, strict=True))
        }
        exercises = tuple(done.get(exercise.name, exercise) for exercise in lab.exercises)
        yield replace(lab, exercises=exercises), _words(wanted, work)


def machines_for(
    lab: LoadedLab, work: Path | None, chosen: Sequence[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the machines to run on, and messages on those left out: student code runs on this host
    itself only on machines ``chosen`` by name. Empty means all. Raises SpecError when none is left."""
    here = [name for name, machine in lab.lab.machines.items() if TRAITS[machine.driver].on_host]
    if work is None or chosen or not here:
        return tuple(chosen), []
    others = tuple(name for name in lab.lab.machines if name not in here)
    message = f"student code does not run on {', '.join(here)}, which is this host itself"
    advice = "to run it there anyway, name the machine with --only"
    if not others:
        raise SpecError(message, hint=advice)
    return others, [f"{message}; {advice}"]


def assembled(
    exercise: LoadedExercise, files: Files, target: Path, *, from_student: bool = True
) -> LoadedExercise:
    """Assemble the exercise with these student files, and its hidden tests, in ``target``.

    ``target`` is created; it holds the exercise's folder without its solutions, and beside it the files
    it shares. A report shows the files only when they are ``from_student``.
    """
    withheld = {SKELETON, SOLUTION, WRONG, HIDDEN_FILE}
    top = exercise.folder.resolve()

    def left_out(folder: str, names: list[str]) -> set[str]:
        return withheld & set(names) if Path(folder).resolve() == top else set()

    whole = target / exercise.folder.name
    writable_copy(exercise.folder, whole, left_out)
    copy_shared(exercise.folder, shared_files(exercise.folder, exercise.spec.shares), target)
    for name, data in files.items():
        place = whole / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(data)
        place.chmod(_mode(exercise.folder / SKELETON / name))
    spec = exercise.spec.with_hidden(exercise.hidden) if exercise.hidden else exercise.spec
    shown = LoadedExercise(exercise.name, whole, exercise.spec) if from_student else exercise
    return LoadedExercise(exercise.name, whole, spec, exercise.hidden, shown)


def provided(exercise: LoadedExercise, place: str) -> Files:
    """Return the files of one of the exercise's own folders: skeleton, solution, wrong/KIND. Files missing
    from a wrong solution come from the reference solution."""
    names, own = _names(exercise), exercise.folder / place
    theirs = [name for name in names if Path(place).parts[:1] == (WRONG,) and not (own / name).exists()]
    files = _taken(own, exercise.folder, [name for name in names if name not in theirs])
    return {**files, **_taken(exercise.folder / SOLUTION, exercise.folder, theirs)}


def handed_in(work: Path, exercises: Sequence[LoadedExercise]) -> list[Files]:
    """Return the files in a student's folder for each of these exercises. Raises SpecError."""
    if not work.is_dir():
        raise SpecError(f"--work {work}: no such folder")
    found: list[Files] = []
    problems: list[Problem] = []
    for exercise in exercises:
        place = _place(work, exercise.name, alone=len(exercises) == 1)
        try:
            found.append(_taken(place, work, _names(exercise)))
        except SpecError as error:
            problems += error.problems
    if problems:
        message = refusal(problems)
        hint = "each exercise is expected in TOPIC/NAME/ or NAME/; to run only some, use --exercise"
        raise SpecError(message.message, problems=message.problems, hint=hint)
    return found


def _place(work: Path, name: str, *, alone: bool) -> Path:
    """Return where in a student's folder the work on an exercise is, or should be."""
    name = name.removeprefix("./")
    places = [work / name, work / name.rsplit("/", 1)[-1]]
    return next((place for place in places if place.is_dir()), work if alone else places[0])


def _provided(exercises: Sequence[LoadedExercise]) -> list[Files]:
    return [provided(exercise, _origin(exercise)) for exercise in exercises]


def _origin(exercise: LoadedExercise) -> str:
    """Return the folder whose files run without a student's work; "" is the exercise's own."""
    return next((place for place in (SOLUTION, SKELETON) if (exercise.folder / place).is_dir()), "")


def _words(exercises: Sequence[LoadedExercise], work: Path | None) -> list[str]:
    """Return whose work runs, one line for each kind."""
    if work is not None:
        return [f"running the work in {work}: {', '.join(e.name for e in exercises)}"]
    called = {
        SOLUTION: "running the reference solution",
        SKELETON: "running the skeleton",
        "": "running the exercise's own files",
    }
    groups: dict[str, list[str]] = {}
    for exercise in exercises:
        groups.setdefault(called[_origin(exercise)], []).append(exercise.name)
    advice = "; to run a student's work, use --work FOLDER"
    return [f"{what}: {', '.join(names)}{advice}" for what, names in groups.items()]


def _names(exercise: LoadedExercise) -> list[str]:
    return exercise.spec.student.files if exercise.spec.student else []


def _taken(place: Path, root: Path, names: Sequence[str]) -> Files:
    """Read these files of ``place``, which must really be within ``root``. Raises SpecError with all
    problems."""
    found: dict[str, bytes] = {}
    problems = []
    for name in names:
        try:
            found[name] = _read(confined(root, str((place / name).relative_to(root))))
        except FileNotFoundError:
            problems.append(Problem(str(place), 0, 0, f"missing file {name}"))
        except (ValueError, OSError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(Problem(str(place / name), 0, 0, words or "cannot be read"))
    if problems:
        raise refusal(problems)
    return found


def _read(path: Path) -> bytes:
    """Read a regular file of bounded size. Raises ValueError for anything else, OSError.

    Non-blocking, because opening a FIFO would wait for its writer: fifo(7).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 2**20} MiB")
    return data


def _mode(begun: Path) -> int:
    """Return the mode of a file: executable when its skeleton is."""
    return 0o755 if begun.is_file() and begun.stat().st_mode & 0o100 else 0o644
