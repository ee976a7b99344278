"""Images from a registry: the reference by digest, and our layer to go on top of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.images import layer
from orchestrator.labfile.image_recipe import OciRecipe


def inputs(recipe: OciRecipe, arch: Arch) -> list[object]:
    """What decides the image: the digest is its content."""
    return ["oci", recipe.reference, *layer.inputs(arch)]


def expected_seconds(_arch: Arch) -> float:
    """Our layer is made here; what the engine does is said when it does it."""
    return 2.0


def build(
    recipe: OciRecipe, arch: Arch, archives: Archives, folder: Path, deadline: Deadline
) -> dict[str, Any]:
    """Fill ``folder`` with our layer; the engine pulls the rest when a container is first made.

    Raises ImageError, BuildError, TimedOut, Interrupted.
    """
    facts = layer.write(arch, archives, folder, deadline)
    return {**facts, "image": recipe.image, "reference": recipe.reference}
