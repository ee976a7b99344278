"""What an image recipe (``images/NAME.yaml``) may say: one model for each kind of image.

Adding a kind is a model here, and a module ``orchestrator.images.KIND`` that builds it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.labfile.models import NAME_PATTERN, ArchName, Spec
from orchestrator.units import Size

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

    @property
    def memory(self) -> int:
        """Nothing beyond what every machine needs."""
        return 0

    @property
    def disk(self) -> int:
        """None: everything is in the RAM disk."""
        return 0


class OciRecipe(Spec):
    """An image for container engines, by digest: ``registry/name@sha256:…``, or ``sha256:…`` for
    one the engine has already. The engine pulls it and verifies it by that."""

    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""
    kind: Literal["oci"]
    reference: Annotated[str, Field(pattern=REFERENCE_PATTERN)]

    @property
    def memory(self) -> int:
        """Nothing beyond what every machine needs."""
        return 0

    @property
    def disk(self) -> int:
        """None: a container has the host's."""
        return 0


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

    @property
    def memory(self) -> int:
        """Nothing beyond what every machine needs."""
        return 0

    @property
    def disk(self) -> int:
        """None: a container has the host's."""
        return 0


class FullRecipe(Spec):
    """A whole distribution on a disk, configured in a guest of its own architecture.

    ``packages`` come with all they depend on; ``modules`` are what the kernel loads before it has
    the disk, ``module_folders`` which others are put on it (prefixes of their paths beneath
    ``kernel/``). ``memory`` is the least a machine gets and ``disk`` what it sees, in bytes.
    """

    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""
    kind: Literal["full"]
    memory: Size = 384 * 2**20
    disk: Size = 4 * 2**30
    sudo: bool = True
    packages: list[str]
    modules: list[str]
    module_folders: list[str] = Field([])


class Source(Spec):
    """A published file: where (http, https, or a path on this host), and its digest."""

    url: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CloudRecipe(Spec):
    """A published image that cloud-init configures, by architecture.

    ``memory`` is the least a machine gets and ``disk`` what it sees, in bytes.
    """

    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""
    kind: Literal["cloud"]
    memory: Size = 512 * 2**20
    disk: Size = 8 * 2**30
    sources: Annotated[dict[ArchName, Source], Field(min_length=1)]


Recipe = Annotated[
    MicroRecipe | FullRecipe | CloudRecipe | OciRecipe | ContainerfileRecipe, Field(discriminator="kind")
]
"""Every kind of recipe."""

CONTAINER_KINDS = frozenset({"oci", "containerfile"})
"""Kinds of recipe that only container engines can make a machine of."""
