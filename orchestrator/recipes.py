"""The image recipes there are: ``images/*.yaml``, and those in folders of the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from orchestrator.errors import SpecError
from orchestrator.images.recipe import Recipe
from orchestrator.paths import RECIPES
from orchestrator.yamlfile import parse

MORE = "ISOLAB_RECIPES"
"""Environment variable with further folders of recipes, as PATH has them."""
_RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)


def least_memory(known: Mapping[str, Recipe]) -> dict[str, int]:
    """The bytes of memory below which machines of each image do not get anywhere."""
    return {name: recipe.memory for name, recipe in known.items()}


def recipes(folder: Path = RECIPES) -> dict[str, Recipe]:
    """Recipes by name. Raises SpecError for a file that is not one."""
    found = {}
    folders = [folder, *(Path(more) for more in os.environ.get(MORE, "").split(os.pathsep) if more)]
    for path in (path for place in folders for path in sorted(place.glob("*.yaml"))):
        document = parse(path.read_text(encoding="utf-8"), str(path))
        try:
            recipe = _RECIPE.validate_python(document.data)
        except ValueError as problem:
            raise SpecError(f"{path}: not an image recipe: {problem}") from None
        found[recipe.image] = recipe
    return found
