"""Images from a registry: a reference by digest, and isolab's layer for the top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.images import layer
from orchestrator.labfile.image_recipe import OciRecipe


def inputs(recipe: OciRecipe, arch: Arch) -> list[object]:
    """What determines the image: the digest identifies its content."""
    return ["oci", recipe.reference, *layer.inputs(arch)]


def expected_seconds(_arch: Arch) -> float:
    """How long building takes: only our layer is built here; the engine reports its own part."""
    return 2.0


def build(
    recipe: OciRecipe, arch: Arch, archives: Archives, folder: Path, deadline: Deadline
) -> dict[str, Any]:
    """Fill ``folder`` with our layer; the engine pulls the rest when a container is first created.

    Raises ImageError, BuildError, TimedOut, Interrupted.
    """
    facts = layer.write(arch, archives, folder, deadline)
    return {**facts, "image": recipe.image, "reference": recipe.reference}
