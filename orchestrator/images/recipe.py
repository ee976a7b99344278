"""What an image recipe (``images/NAME.yaml``) may say: one model for each kind of image.

Adding a kind is a model here, and a module ``orchestrator.images.KIND`` that builds it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.spec import NAME_PATTERN, Spec


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


Recipe = MicroRecipe
"""Every kind of recipe."""
