"""The kinds of image: what the recipe of each (``images/NAME.yaml``) may say, and what else sets it
apart, in one table.

Adding a kind is a row in ``KINDS`` with a model, and a module ``orchestrator.images.KIND`` that makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field

from orchestrator.labfile.models import NAME_PATTERN, ArchName, Spec
from orchestrator.units import Size

REFERENCE_PATTERN = r"^(?:[a-z0-9][\w./:-]*@)?sha256:[0-9a-f]{64}$"


class Recipe(Protocol):
    """What the recipes of every kind have in common."""

    @property
    def image(self) -> str:
        """The image's name."""

    @property
    def kind(self) -> str:
        """The name of its kind: see ``KINDS``."""

    @property
    def memory(self) -> int:
        """The least a machine gets, in bytes; 0 for nothing beyond what every machine needs."""

    @property
    def disk(self) -> int:
        """What a machine sees of a disk, in bytes; 0 for none."""

    def beside(self, folder: Path) -> Self:
        """The recipe, read from a file in this folder."""


class _Named(Spec):
    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    title: str = ""

    def beside(self, folder: Path) -> Self:
        """The recipe, read from a file in this folder: for most kinds it does not matter which."""
        return self


class _Diskless(_Named):
    @property
    def memory(self) -> int:
        """Nothing beyond what every machine needs."""
        return 0

    @property
    def disk(self) -> int:
        """None: everything is in the RAM disk, or a container has the host's."""
        return 0


class MicroRecipe(_Diskless):
    """Kernel, busybox, dropbear and our own init in a RAM disk.

    ``packages`` maps a Debian package to shell patterns of the files wanted from it;
    ``modules`` are the kernel modules loaded at boot, ``applets`` the commands of busybox that
    get a name of their own.
    """

    kind: Literal["micro"]
    packages: dict[str, list[str]]
    modules: list[str] = Field([])
    applets: list[str] = Field([])


class OciRecipe(_Diskless):
    """An image for container engines, by digest: ``registry/name@sha256:…``, or ``sha256:…`` for
    one the engine has already. The engine pulls it and verifies it by that."""

    kind: Literal["oci"]
    reference: Annotated[str, Field(pattern=REFERENCE_PATTERN)]


class ContainerfileRecipe(_Diskless):
    """An image a container engine builds from a Containerfile.

    ``folder`` is what the build may read, beside the recipe unless absolute, and ``file`` the
    Containerfile in it. ``network`` none builds without one, default leaves it to the engine.
    """

    kind: Literal["containerfile"]
    folder: Path
    file: str = "Containerfile"
    network: Literal["default", "none"] = "default"

    def beside(self, folder: Path) -> Self:
        """The recipe, with what it builds from beside its file."""
        return self.model_copy(update={"folder": folder / self.folder})


class FullRecipe(_Named):
    """A whole distribution on a disk, configured in a guest of its own architecture.

    ``packages`` come with all they depend on; ``modules`` are what the kernel loads before it has
    the disk, ``module_folders`` which others are put on it (prefixes of their paths beneath
    ``kernel/``). ``memory`` is the least a machine gets and ``disk`` what it sees, in bytes.
    """

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


class CloudRecipe(_Named):
    """A published image that cloud-init configures, by architecture.

    ``memory`` is the least a machine gets and ``disk`` what it sees, in bytes.
    """

    kind: Literal["cloud"]
    memory: Size = 512 * 2**20
    disk: Size = 8 * 2**30
    sources: Annotated[dict[ArchName, Source], Field(min_length=1)]


@dataclass(frozen=True)
class ImageKind:
    """One kind of image; ``orchestrator.images.NAME`` makes it.

    ``making`` says in words what that consists of. ``effort`` is how many times longer than a micro
    machine one of these takes to come up. ``programs`` are what the host must have beside an
    emulator, for images with a disk.
    """

    name: str
    recipe: type[Spec]
    making: str
    effort: float = 1.0
    programs: tuple[str, ...] = ()
    our_init: bool = False
    """Our own init runs it from a RAM disk; it serves SSH, the first connection over a line of its own."""
    by_cloud_init: bool = False
    """It boots by its own boot loader, and cloud-init makes it this machine."""
    boxed: bool = False
    """Only container engines can make a machine of it."""


_LAYER = "making the layer that goes on top"

KINDS: Mapping[str, ImageKind] = {
    kind.name: kind
    for kind in (
        ImageKind("micro", MicroRecipe, "fetching packages, verifying, building", our_init=True),
        ImageKind(
            "full",
            FullRecipe,
            "fetching, verifying and unpacking packages, then configuring them",
            effort=5.0,
            programs=("mke2fs",),
        ),
        ImageKind(
            "cloud",
            CloudRecipe,
            "fetching the published image",
            effort=15.0,
            programs=("xorriso",),
            by_cloud_init=True,
        ),
        ImageKind("oci", OciRecipe, _LAYER, boxed=True),
        ImageKind("containerfile", ContainerfileRecipe, _LAYER, boxed=True),
    )
}
"""Every kind of image."""


def read(data: object) -> Recipe:
    """The recipe that the content of a file describes. Raises ValueError."""
    name = data.get("kind") if isinstance(data, dict) else None
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"its kind is {name!r}; kinds: {', '.join(KINDS)}")
    recipe: Any = kind.recipe.model_validate(data)
    found: Recipe = recipe
    return found
