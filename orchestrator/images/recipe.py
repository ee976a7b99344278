"""What an image recipe (``images/NAME.yaml``) may say: one model for each kind of image.

Adding a kind is a model here, and a module ``orchestrator.images.KIND`` that builds it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.spec import NAME_PATTERN, Spec

REFERENCE_PATTERN = r"^(?:[a-z0-9][\w./:-]*@)?sha256:[0-9a-f]{64}$"


class MicroRecipe(Spec):
    """Kernel, busybox, dropbear and our own init in a RAM disk.

    ``packages`` maps a Debian package to shell patterns of the files wanted from it;
    ``modules`` are the kernel modules loaded at boot, ``applets`` the commands of busybox that
    get a name of their own.
    """

    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""
    kind: Literal["micro"]
    packages: dict[str, list[str]]
    modules: list[str] = Field([])
    applets: list[str] = Field([])


class OciRecipe(Spec):
    """An image for container engines, by digest: ``registry/name@sha256:…``, or ``sha256:…`` for
    one the engine has already. The engine pulls it and verifies it by that."""

    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""
    kind: Literal["oci"]
    reference: Annotated[str, Field(pattern=REFERENCE_PATTERN)]


class ContainerfileRecipe(Spec):
    """An image a container engine builds from a Containerfile.

    ``folder`` is what the build may read, beside the recipe unless absolute, and ``file`` the
    Containerfile in it. ``network`` none builds without one, default leaves it to the engine.
    """

    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""
    kind: Literal["containerfile"]
    folder: Path
    file: str = "Containerfile"
    network: Literal["default", "none"] = "default"


Recipe = Annotated[MicroRecipe | OciRecipe | ContainerfileRecipe, Field(discriminator="kind")]
"""Every kind of recipe."""

CONTAINER_KINDS = frozenset({"oci", "containerfile"})
"""Kinds of recipe that only container engines can make a machine of."""
