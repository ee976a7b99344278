"""Programs that an exercise runs and that the image of a lab's machine does not contain.

Only what an image contains for certain is checked: a small image's programs are its busybox applets. What
needs: {programs: …} names is looked up in the machine instead, and may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from orchestrator.driver_traits import TRAITS
from orchestrator.errors import Problem
from orchestrator.labfile.image_recipe import MicroRecipe, Recipe
from orchestrator.labfile.models import Exercise, Hidden, Lab, Machine, Needs, Step, boundary_of
from orchestrator.labfile.suggest import did_you_mean, either, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath

_FOLDERS = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin"})
_BESIDES = frozenset({"busybox", "dropbear", "sh"})


def interpreter_problems(
    document: Document,
    tests: Exercise | Hidden,
    exercise: Exercise,
    folder: Path,
    lab: Lab,
    recipes: Mapping[str, Recipe],
) -> Iterator[Problem]:
    """Report the steps of ``tests`` (an exercise, or its hidden tests) that run a program which the image of
    a machine of this lab lacks."""
    images: dict[str, list[str]] = {}
    for name, machine in lab.machines.items():
        if _runs_there(exercise.needs, machine):
            images.setdefault(machine.image, []).append(name)
    for number, step in enumerate(tests.run):
        program = _program(step, folder, exercise)
        for image, machines in images.items():
            recipe = recipes.get(image)
            if program and isinstance(recipe, MicroRecipe) and not _has(recipe, program):
                yield _problem(document, number, step, program, image, machines, recipe)


def _runs_there(needs: Needs, machine: Machine) -> bool:
    """Whether the exercise runs on a machine that has its programs from its image."""
    traits = TRAITS[machine.driver]
    from_image = traits.guest or traits.container_images
    return (
        from_image
        and (not needs.boundary or boundary_of(machine) in needs.boundary)
        and (not needs.arch or machine.arch is None or machine.arch in needs.arch)
    )


def _program(step: Step, folder: Path, exercise: Exercise) -> str:
    """The machine's own program that a step runs: itself, or the interpreter of a script; "" if none, or if
    the exercise is skipped where it is missing."""
    try:
        first = step.argv[0]
    except (ValueError, IndexError):  # reported elsewhere
        return ""
    if first.startswith("./"):
        program = _interpreter(folder / first) if first[2:] in exercise.files else ""
    elif first.startswith("/"):
        path = PurePosixPath(first)
        program = path.name if str(path.parent) in _FOLDERS else ""
    else:
        program = first
    return "" if program in exercise.needs.programs else program


def _interpreter(script: Path) -> str:
    """The program that the first line of a script names, through env(1) too; "" if none."""
    try:
        with script.open("rb") as file:
            line = file.readline(256).decode(errors="replace")
    except OSError:
        return ""
    if not line.startswith("#!"):
        return ""
    words: Sequence[str] = line[2:].split()
    if words and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-")]
    return words[0].rsplit("/", 1)[-1] if words else ""


def _has(recipe: MicroRecipe, program: str) -> bool:
    return program in recipe.applets or program in _BESIDES


def _problem(
    document: Document,
    number: int,
    step: Step,
    program: str,
    image: str,
    machines: Sequence[str],
    recipe: MicroRecipe,
) -> Problem:
    short: DataPath = ("run",)
    path = ("run", number, "run") if ("run", number, "run") in document.places else short
    verb = "runs" if step.argv[0].rsplit("/", 1)[-1] == program else "needs"
    words = f"{quote(step.run)} {verb} {program}, which image {quote(image)} of {either(machines)} lacks"
    near = did_you_mean(program, recipe.applets)
    return document.problem(path, words, near or f"use another image, or needs: {{programs: [{program}]}}")
