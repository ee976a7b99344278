"""Load lab and exercise files into frozen models, reporting every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from orchestrator.driver_traits import TRAITS, drivers_that
from orchestrator.errors import Problem, SpecError
from orchestrator.host.confine import confined
from orchestrator.labfile.check_exercise import exercise_problems
from orchestrator.labfile.check_interpreters import interpreter_problems
from orchestrator.labfile.check_networks import network_problems
from orchestrator.labfile.check_parameters import parameter_problems
from orchestrator.labfile.check_submission import hidden_problems, student_files, work_problems
from orchestrator.labfile.check_use import use_problems
from orchestrator.labfile.image_catalog import lab_recipes
from orchestrator.labfile.image_recipe import Recipe
from orchestrator.labfile.machine_section import host_name, machine_problems, units_as_text, with_defaults
from orchestrator.labfile.messages import Model, ValidatedDocument, problems_of, validate
from orchestrator.labfile.models import (
    EXERCISE_PATTERN,
    Exercise,
    Hidden,
    Lab,
)
from orchestrator.labfile.read_spec import read_document
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_nodes import refusal

LAB_FILE = "lab.yaml"
EXERCISE_FILE = "exercise.yaml"
HIDDEN_FILE = "hidden.yaml"
HIDDEN_FOLDER = "hidden"


@dataclass(frozen=True)
class LoadedExercise:
    """An exercise: its name as the lab writes it, its folder, and what its file says.

    ``hidden`` are the hidden tests of a student exercise. Once it holds a student's work, ``folder``
    and ``spec`` are what is built and run, hidden tests included, and ``shown`` is what reports show.
    ``exact_timeout``: somebody asked for just this timeout, so it is scaled by the machine's speed only.
    ``not_handed_in`` says which of the student's files is missing: the exercise does not run.
    """

    name: str
    folder: Path
    spec: Exercise
    hidden: Hidden | None = None
    shown: LoadedExercise | None = None
    exact_timeout: bool = False
    not_handed_in: str = ""
    built: Mapping[str, Mapping[str, Path]] | None = None
    """Its programs if they are built already: by architecture, by name."""
    cached: str = "programs"
    """The kind of the cache in which its programs are kept."""

    @property
    def public(self) -> LoadedExercise:
        """The exercise without its hidden tests."""
        return self.shown or self

    @property
    def whole_spec(self) -> Exercise:
        """What its file says, with its hidden tests, of an exercise that holds no student's work yet."""
        return self.spec.with_hidden(self.hidden) if self.hidden else self.spec


@dataclass(frozen=True)
class LoadedLab:
    """A lab: its file with defaults merged in, the file's path, and its exercises in order.

    ``recipes`` are those in its own folder ``images/``, by name.
    """

    lab: Lab
    path: Path
    exercises: tuple[LoadedExercise, ...]
    recipes: Mapping[str, Recipe] = field(default_factory=dict)


def load_lab(
    path: Path,
    exercises_root: Path,
    *,
    images: Mapping[str, int] = MappingProxyType({"micro": 0}),
    host: str | None = None,
    contents: Mapping[str, Recipe] = MappingProxyType({}),
) -> LoadedLab:
    """Load the lab at ``path`` (its file, or the folder containing ``lab.yaml``).

    Exercises are found under ``exercises_root``, those named ``./x`` beside the lab file.
    ``images`` maps the project's images to the least memory each needs, in bytes; recipes in the
    folder ``images`` beside the lab file are added. ``host`` is the architecture labs run on, by
    Debian's name, by default this machine's. ``contents`` are the recipes of the project's images: what
    programs they contain is checked. Raises SpecError with every problem of the lab file
    and of the exercise files it names.
    """
    file = _lab_file(path)
    document = read_document(file)
    host = host_name() if host is None else host
    validated = with_defaults(document, host, images)
    problems: list[Problem] = []
    lab = None
    try:
        lab = validate(Lab, validated.data)
    except ValidationError as error:
        problems += problems_of(error, Lab, validated)
    own = lab_recipes(file.parent)
    problems += machine_problems(validated, images, own, host)
    problems += network_problems(validated)
    exercises, more = _load_exercises(document, file.parent, exercises_root)
    problems = [*_unspoken(problems + more, document), *document.problems]
    if lab is not None:
        problems += _program_problems(exercises, lab, {**contents, **own})
    if problems or lab is None:
        raise refusal(problems)
    return LoadedLab(lab, file, tuple(exercises), own)


def with_timeout(lab: LoadedLab, seconds: float) -> LoadedLab:
    """The lab with another time limit for each of its exercises, in seconds on a native machine."""
    changed = (replace(e, spec=e.spec.model_copy(update={"timeout": seconds})) for e in lab.exercises)
    return replace(lab, exercises=tuple(changed))


def with_driver(lab: LoadedLab, driver: str) -> LoadedLab:
    """The lab with another driver for its guests, the machines that boot a kernel of their own.
    Raises SpecError for a driver that does not boot one, and for a lab without guests."""
    known = sorted(drivers_that(lambda traits: traits.guest))
    if driver not in known:
        hint = did_you_mean(driver, known) or f"available: {', '.join(known)}"
        raise SpecError(f"{quote(driver)} is not a virtual machine driver", hint=hint)
    machines = lab.lab.machines
    guests = {name: machine for name, machine in machines.items() if TRAITS[machine.driver].guest}
    if not guests:
        raise SpecError(
            f"--driver {driver} has no effect: {lab.path} has no virtual machines", hint="leave it out"
        )
    changed = {name: machine.model_copy(update={"driver": driver}) for name, machine in guests.items()}
    return replace(lab, lab=lab.lab.model_copy(update={"machines": {**machines, **changed}}))


def load_exercise(folder: Path, name: str) -> LoadedExercise:
    """Load the exercise in ``folder``. Raises SpecError with every problem of its files."""
    return _load_exercise(folder, name, kept=False)


def load_kept_exercise(folder: Path, name: str) -> LoadedExercise:
    """Load an exercise as a run kept it: without what a program needs only to be built and run, which is
    therefore not checked. Raises SpecError."""
    return _load_exercise(folder, name, kept=True)


def _load_exercise(folder: Path, name: str, *, kept: bool) -> LoadedExercise:
    file = folder / EXERCISE_FILE
    if not file.is_file():
        raise SpecError(f"no exercise in {folder}", hint=f"an exercise is a folder with {EXERCISE_FILE}")
    document = read_document(file)
    tests = read_document(folder / HIDDEN_FILE) if (folder / HIDDEN_FILE).is_file() else None
    found = [*exercise_problems(document, folder, student_files(document)), *work_problems(document, folder)]
    if tests is not None:
        found += hidden_problems(tests, document, folder)
    found += parameter_problems(document, tests, folder)
    if not kept:
        found += use_problems(document, tests, folder, tuple(found))
    spec, problems = _understood(Exercise, document, [one for one in found if one.file == document.file])
    hidden = None
    if tests is not None:
        hidden, more = _understood(Hidden, tests, [one for one in found if one.file == tests.file])
        problems += more
    files = {document.file, tests.file if tests else ""}
    problems += [one for one in found if one.file not in files]
    if problems or spec is None:
        raise refusal(problems)
    return LoadedExercise(name, folder, spec, hidden)


def _understood(
    model: type[Model], document: Document, found: list[Problem]
) -> tuple[Model | None, list[Problem]]:
    """The document as a model, and all its problems, including those already ``found``."""
    validated = ValidatedDocument(document, units_as_text(document.data))
    spec = None
    try:
        spec = validate(model, validated.data)
    except ValidationError as error:
        found = found + problems_of(error, model, validated)
    return spec, [*_unspoken(found, document), *document.problems]


def _lab_file(path: Path) -> Path:
    file = path / LAB_FILE if path.is_dir() else path
    if file.is_file():
        return file
    folder = path if path.is_dir() else path.parent
    near = sorted(found.parent for found in folder.glob(f"*/{LAB_FILE}"))
    hint = f"labs here: {', '.join(map(str, near))}" if near else f"a lab is a folder with {LAB_FILE}"
    raise SpecError(f"no lab at {path}", hint=hint)


def _unspoken(problems: list[Problem], document: Document) -> list[Problem]:
    """The problems that do not merely follow from a syntax problem at the same place."""
    spoken = {(problem.file, problem.line, problem.column) for problem in document.problems}
    return [found for found in problems if (found.file, found.line, found.column) not in spoken]


def _program_problems(
    exercises: Sequence[LoadedExercise], lab: Lab, recipes: Mapping[str, Recipe]
) -> Iterator[Problem]:
    for exercise in exercises:
        for tests, file in ((exercise.spec, EXERCISE_FILE), (exercise.hidden, HIDDEN_FILE)):
            if tests is not None:
                document = read_document(exercise.folder / file)
                yield from interpreter_problems(document, tests, exercise.spec, exercise.folder, lab, recipes)


def _load_exercises(
    document: Document, lab_folder: Path, root: Path
) -> tuple[list[LoadedExercise], list[Problem]]:
    """Load the exercises a lab names; also returns the problems of names and files."""
    loaded: list[LoadedExercise] = []
    problems: list[Problem] = []
    first: dict[str, int] = {}
    names = document.data.get("exercises") if isinstance(document.data, dict) else None
    for index, name in enumerate(names if isinstance(names, list) else []):
        if not isinstance(name, str) or not re.fullmatch(EXERCISE_PATTERN, name):
            continue
        path = ("exercises", index)
        if name in first:
            again = f"exercise {quote(name)} is listed twice; first on line {first[name]}"
            problems.append(document.problem(path, again))
            continue
        first[name] = document.place(path)[0]
        base = lab_folder if name.startswith("./") else root
        problem = _not_found(document, path, name, base)
        if problem is not None:
            problems.append(problem)
            continue
        try:
            loaded.append(load_exercise(base / name, name))
        except SpecError as error:
            unreadable = () if error.problems else (document.problem(path, error.message, error.hint),)
            problems += [*error.problems, *unreadable]
    return loaded, problems


def _not_found(document: Document, path: tuple[str | int, ...], name: str, base: Path) -> Problem | None:
    """Why there is no exercise ``name`` in ``base``; None when there is one."""
    try:
        for folder, inside in ((base, name), (base / name, EXERCISE_FILE)):
            confined(folder, inside)
    except FileNotFoundError:
        prefix = "./" if name.startswith("./") else ""
        advice = did_you_mean(name, [prefix + there for there in _exercises_in(base)])
        return document.problem(path, f"no exercise {quote(name)} in {base}", advice)
    except ValueError:
        return document.problem(path, f"exercise {quote(name)} is a link to outside {folder}")
    return None


def _exercises_in(base: Path) -> list[str]:
    """Names of the exercises up to three folders below ``base``; deeper ones are not suggested."""
    found = {file for depth in (1, 2, 3) for file in base.glob("*/" * depth + EXERCISE_FILE)}
    return sorted(file.parent.relative_to(base).as_posix() for file in found)
