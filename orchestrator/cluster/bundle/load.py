"""Load the lab of an unpacked bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.cluster.bundle.pack import FORMAT, MANIFEST, manifest_of
from orchestrator.cluster.bundle.specs import from_data
from orchestrator.errors import SpecError
from orchestrator.labfile.image_recipe import KINDS, ContainerfileRecipe, Recipe
from orchestrator.labfile.load import LAB_FILE, LoadedExercise, LoadedLab
from orchestrator.labfile.models import Exercise, Hidden, Lab

_SAME = "use the same version of isolab on the controller and on all hosts: `isolab cluster up`"


def is_bundle(path: Path) -> bool:
    """Whether a folder is an unpacked bundle."""
    return (path / MANIFEST).is_file()


def load_bundle(folder: Path) -> LoadedLab:
    """Load the lab that was packed. Its exercises are not checked again: they were when it was packed.

    Raises SpecError for a folder that is no bundle, or one of another version of isolab.
    """
    try:
        data = manifest_of(folder)
    except (OSError, ValueError):
        data = None
    if data is None:
        raise SpecError(f"{folder} is no unpacked bundle of a lab", hint="send the lab again")
    if data.get("format") != FORMAT:
        raise SpecError(f"the bundle in {folder} is of another version of isolab", hint=_SAME)
    try:
        return LoadedLab(
            lab=from_data(Lab, data["lab"]),
            path=folder / LAB_FILE,
            exercises=tuple(_exercise(one, folder) for one in data["exercises"]),
            recipes={name: _recipe(one, folder) for name, one in data["recipes"].items()},
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise SpecError(f"the bundle in {folder} is not whole: {problem}", hint=_SAME) from None


def _exercise(data: Mapping[str, Any], folder: Path) -> LoadedExercise:
    return LoadedExercise(
        name=data["name"],
        folder=folder / data["folder"],
        spec=from_data(Exercise, data["spec"]),
        hidden=from_data(Hidden, data["hidden"]) if "hidden" in data else None,
        shown=_exercise(data["shown"], folder) if "shown" in data else None,
        exact_timeout=data["exact_timeout"],
        not_handed_in=data["not_handed_in"],
        built=_programs(data["built"], folder) if "built" in data else None,
    )


def _programs(built: Mapping[str, Mapping[str, str]], folder: Path) -> dict[str, dict[str, Path]]:
    return {
        arch: {name: folder / path for name, path in programs.items()} for arch, programs in built.items()
    }


def _recipe(data: Mapping[str, Any], folder: Path) -> Recipe:
    kind = KINDS[data["kind"]].recipe
    found = from_data(kind, data)
    if isinstance(found, ContainerfileRecipe):
        return found.beside(folder)
    return found  # type: ignore[return-value]  # every kind's recipe has what Recipe says
