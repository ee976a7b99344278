"""Pack a loaded lab: its machines, exercises with all their files, image recipes, and students' work."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cluster.bundle.archive import forget_old, write
from orchestrator.cluster.bundle.contents import Contents
from orchestrator.cluster.bundle.specs import to_data
from orchestrator.errors import from_os
from orchestrator.labfile.check_submission import ALTERNATIVES, SOLUTION, WRONG
from orchestrator.labfile.image_catalog import MORE, recipes
from orchestrator.labfile.image_recipe import ContainerfileRecipe, Recipe
from orchestrator.labfile.load import LAB_FILE, LoadedExercise, LoadedLab
from orchestrator.paths import make_folder

MANIFEST = "bundle.json"
FORMAT = 1
"""Of the manifest: a host takes no other one."""
_STDIN = ".standard-input-{}"
"""Name in an exercise's folder of a file from elsewhere that a step reads."""


@dataclass(frozen=True)
class Bundle:
    """A packed lab: its digest (SHA-256, hexadecimal), its archive and that one's size in bytes."""

    digest: str
    archive: Path
    size: int


def pack(lab: LoadedLab, folder: Path, run: str = "") -> Bundle:
    """Pack a lab into an archive in ``folder``, which is made if necessary. The same lab gives the same
    digest, wherever its files are; for a ``run`` of grading another one, which has no solutions in it. Raises
    SpecError for one that is too large; LabError if its files cannot be read."""
    contents = Contents((SOLUTION, ALTERNATIVES, WRONG) if run else ())
    try:
        make_folder(folder, 0o700, exist_ok=True)
        if lab.path.suffix in (".yaml", ".yml") and lab.path.is_file():  # not a program that is tried
            contents.add(LAB_FILE, lab.path)
        data = {
            "format": FORMAT,
            "lab": to_data(lab.lab),
            "recipes": {name: _recipe(one, contents) for name, one in sorted(_own_recipes(lab).items())},
            "exercises": [_exercise(one, contents, number) for number, one in enumerate(lab.exercises)],
        }
        if run:
            data["run"] = run
        manifest = json.dumps(data, indent=1).encode()
        digest, archive = write(folder, {MANIFEST: manifest}, contents.files)
        forget_old(folder, archive)
        return Bundle(digest, archive, archive.stat().st_size)
    except OSError as problem:
        raise from_os(problem) from None


def _exercise(exercise: LoadedExercise, contents: Contents, number: int) -> dict[str, Any]:
    inside = contents.add_exercise(exercise)
    found: dict[str, Any] = {
        "name": exercise.name,
        "folder": inside,
        "spec": _with_input(to_data(exercise.spec), inside, contents),
        "exact_timeout": exercise.exact_timeout,
        "not_handed_in": exercise.not_handed_in,
    }
    if exercise.hidden is not None:
        found["hidden"] = _with_input(to_data(exercise.hidden), inside, contents)
    if exercise.shown is not None:
        found["shown"] = _exercise(exercise.shown, contents, number)
    if exercise.built is not None:
        found["built"] = contents.add_programs(number, exercise.built)
    return found


def _with_input(spec: dict[str, Any], inside: str, contents: Contents) -> dict[str, Any]:
    """The data of an exercise whose steps read files of its folder only."""
    for number, step in enumerate(spec.get("run", [])):
        if step.get("stdin") and Path(step["stdin"]).is_absolute():
            name = _STDIN.format(number)
            contents.add(f"{inside}/{name}", Path(step["stdin"]))
            step["stdin"] = name
    return spec


def _own_recipes(lab: LoadedLab) -> dict[str, Recipe]:
    """The recipes that a host's isolab does not have: the lab's, and those of the user's recipe folders that
    its machines name."""
    wanted = {machine.image for machine in lab.lab.machines.values()}
    folders = [Path(name) for name in os.environ.get(MORE, "").split(os.pathsep) if name]
    more = {name: one for folder in folders for name, one in recipes(folder).items() if name in wanted}
    return {**more, **lab.recipes}


def _recipe(recipe: Recipe, contents: Contents) -> dict[str, Any]:
    data: dict[str, Any] = to_data(recipe)  # type: ignore[arg-type]  # every kind's recipe is a model
    if isinstance(recipe, ContainerfileRecipe):
        data["folder"] = contents.add_folder(f"contexts/{recipe.image}", recipe.folder)
    return data


def pack_text(name: str, text: str, folder: Path) -> Bundle:
    """Pack one file with this text into an archive in ``folder``. Raises LabError if it cannot be written."""
    try:
        make_folder(folder, 0o700, exist_ok=True)
        digest, archive = write(folder, {name: text.encode()}, {})
        return Bundle(digest, archive, archive.stat().st_size)
    except OSError as problem:
        raise from_os(problem) from None


def manifest_of(folder: Path) -> Mapping[str, Any] | None:
    """Return the manifest in the folder of an unpacked bundle; None if there is none. Raises OSError,
    ValueError."""
    file = folder / MANIFEST
    found = json.loads(file.read_bytes()) if file.is_file() else None
    return found if isinstance(found, dict) else None
