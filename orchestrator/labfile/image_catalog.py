"""The available image recipes (``images/*.yaml``): the project's, a lab's own, and the user's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.labfile.image_recipe import Recipe, read
from orchestrator.labfile.yaml_document import parse
from orchestrator.paths import RECIPES

MORE = "ISOLAB_RECIPES"
"""Environment variable with further recipe folders, separated as in PATH."""


def least_memory(known: Mapping[str, Recipe]) -> dict[str, int]:
    """The least memory, in bytes, that a machine of each image needs."""
    return {name: recipe.memory for name, recipe in known.items()}


def recipes(folder: Path = RECIPES) -> dict[str, Recipe]:
    """Recipes by name. Raises SpecError for a file that is not a recipe."""
    found = {}
    more = os.environ.get(MORE, "").split(os.pathsep) if folder == RECIPES else []
    folders = [folder, *(Path(name) for name in more if name)]
    for path in (path for place in folders for path in sorted(place.glob("*.yaml"))):
        document = parse(path.read_text(encoding="utf-8"), str(path))
        try:
            recipe = read(document.data).beside(path.parent)
        except ValueError as problem:
            raise SpecError(f"{path}: not an image recipe: {problem}") from None
        found[recipe.image] = recipe
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
