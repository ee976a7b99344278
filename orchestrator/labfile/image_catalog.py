"""The available image recipes (``images/*.yaml``): the project's, a lab's own, and the user's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, SpecError
from orchestrator.labfile.image_recipe import KINDS, Recipe, kind_of
from orchestrator.labfile.read_spec import read_document, understood
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_nodes import refusal
from orchestrator.paths import RECIPES

MORE = "ISOLAB_RECIPES"
"""Environment variable with further recipe folders, separated as in PATH."""


def least_memory(known: Mapping[str, Recipe]) -> dict[str, int]:
    """The least memory, in bytes, that a machine of each image needs."""
    return {name: recipe.memory for name, recipe in known.items()}


def recipes(folder: Path = RECIPES) -> dict[str, Recipe]:
    """Recipes by name. Raises SpecError with every mistake in these files."""
    found: dict[str, Recipe] = {}
    problems: list[Problem] = []
    more = os.environ.get(MORE, "").split(os.pathsep) if folder == RECIPES else []
    folders = [folder, *(Path(name) for name in more if name)]
    for path in (path for place in folders for path in sorted(place.glob("*.yaml"))):
        try:
            recipe = _recipe(read_document(path)).beside(path.parent)
            found[recipe.image] = recipe
        except SpecError as error:
            if not error.problems:  # it cannot be read at all
                raise
            problems += error.problems
    if problems:
        raise refusal(problems)
    return found


def _recipe(document: Document) -> Recipe:
    """The recipe in a file. Raises SpecError."""
    try:
        kind = kind_of(document.data)
    except ValueError as error:
        written = document.data.get("kind") if isinstance(document.data, dict) else None
        words = str(error) if written is not None else "missing key 'kind'"
        raise refusal(
            [*document.problems, document.problem(("kind",), words, did_you_mean(written, KINDS))]
        ) from None
    recipe: Any = understood(kind.recipe, document)
    found: Recipe = recipe
    return found


def lab_recipes(lab_folder: Path) -> dict[str, Recipe]:
    """The recipes in a lab's own ``images/``. Raises SpecError, also when a name is taken by the project."""
    folder = lab_folder / "images"
    if not folder.is_dir() or folder.samefile(RECIPES):
        return {}
    own = recipes(folder)
    taken = sorted(own.keys() & recipes().keys())
    if taken:
        names = ", ".join(taken)
        raise SpecError(f"{folder}: isolab already has images named {names}", hint="rename the lab's image")
    return own
