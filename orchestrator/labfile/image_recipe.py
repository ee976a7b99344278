"""The kinds of image, in one table: the content of their recipes (``images/NAME.yaml``) and their traits.

To add a kind, add a row to ``KINDS`` with a model, and a module ``orchestrator.images.KIND`` that builds it.
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
DIGEST_PATTERN = r"^[0-9a-f]{64}$"


class Recipe(Protocol):
    """What the recipes of every kind have in common."""

    @property
    def image(self) -> str:
        """The image's name."""

    @property
    def title(self) -> str:
        """What it holds, in a few words; "" if its file does not say."""

    @property
    def kind(self) -> str:
        """The name of its kind: see ``KINDS``."""

    @property
    def memory(self) -> int:
        """The least memory a machine needs, in bytes; 0 for no more than every machine needs."""

    @property
    def disk(self) -> int:
        """The size of the disk a machine sees, in bytes; 0 for none."""

    def beside(self, folder: Path) -> Self:
        """The recipe with relative paths resolved against its file's folder."""


class _NamedRecipe(Spec):
    image: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Name of the image, as machines of a lab write it."""
    title: str = ""
    """What it is, in one line."""

    def beside(self, folder: Path) -> Self:
        """The recipe itself: most kinds have no paths."""
        return self


class _Diskless(_NamedRecipe):
    @property
    def memory(self) -> int:
        """No more than every machine needs."""
        return 0

    @property
    def disk(self) -> int:
        """None: everything is in the RAM disk, or a container has the host's."""
        return 0


class MicroRecipe(_Diskless):
    """Recipe for a kernel, busybox, dropbear and our own init in a RAM disk.

    ``packages`` maps a Debian package to shell patterns of the files wanted from it;
    ``modules`` are the kernel modules loaded at boot, ``applets`` the busybox commands that get a
    link of their own. ``home_modules`` and ``home_packages`` are what only machines with a home disk have.
    """

    kind: Literal["micro"]
    """A small image: kernel, busybox and an SSH server."""
    packages: dict[str, list[str]]
    """Debian packages, each with shell patterns of the files wanted from it."""
    modules: list[str] = Field([])
    """Kernel modules to load at boot."""
    applets: list[str] = Field([])
    """Busybox commands that get a name of their own."""
    home_modules: list[str] = Field([])
    """Kernel modules of machines with a home disk."""
    home_packages: dict[str, list[str]] = Field({})
    """Debian packages of machines with a home disk, each with shell patterns of the files wanted from it."""


class OciRecipe(_Diskless):
    """An image for container engines, by digest: ``registry/name@sha256:…``, or ``sha256:…`` for
    one the engine already has. The engine pulls it and verifies the digest."""

    kind: Literal["oci"]
    """An image for containers, from a registry."""
    reference: Annotated[str, Field(pattern=REFERENCE_PATTERN)]
    """The image by its digest: registry/name@sha256:…, or sha256:… for one the engine already has."""


class ContainerfileRecipe(_Diskless):
    """An image a container engine builds from a Containerfile.

    ``folder`` is the build context, relative to the recipe unless absolute, and ``file`` the
    Containerfile in it. ``network: none`` builds without a network, ``default`` leaves it to the engine.
    """

    kind: Literal["containerfile"]
    """An image for containers, built from a Containerfile."""
    folder: Path
    """Folder of the build context, relative to this file."""
    file: str = "Containerfile"
    """The Containerfile in it."""
    network: Literal["default", "none"] = "default"
    """Whether building it may use the network."""

    def beside(self, folder: Path) -> Self:
        """The recipe with its build context resolved against its file's folder."""
        return self.model_copy(update={"folder": folder / self.folder})


class FullRecipe(_NamedRecipe):
    """A whole distribution on a disk, configured in a guest of its own architecture.

    ``packages`` are installed with their dependencies, ``where_available`` too where the release has them
    for the architecture; ``modules`` are loaded before the disk is
    mounted, ``module_folders`` selects the others that are put on it (prefixes of their paths below
    ``kernel/``). ``memory`` is the least a machine needs and ``disk`` the size it sees, in bytes.
    """

    kind: Literal["full"]
    """A whole distribution on a disk."""
    memory: Size = 384 * 2**20
    """Least memory of a machine, such as 384MiB."""
    disk: Size = 4 * 2**30
    """Size of the disk that a machine sees, such as 4GiB."""
    sudo: bool = True
    """Whether student may become root without a password."""
    packages: list[str]
    """Debian packages to install, with their dependencies."""
    where_available: list[str] = Field([])
    """Further Debian packages, on architectures that have them."""
    modules: list[str]
    """Kernel modules to load before the disk is mounted."""
    module_folders: list[str] = Field([])
    """Folders of further kernel modules to put on the disk."""


class Source(Spec):
    """A published file: its URL (http, https, or a path on this host) and digest."""

    url: Annotated[str, Field(min_length=1)]
    """Where the file is: an http or https address, or a path on this host."""
    sha256: Annotated[str, Field(pattern=DIGEST_PATTERN)]
    """SHA-256 digest of the file, in hexadecimal."""


class CloudRecipe(_NamedRecipe):
    """A published image per architecture, configured by cloud-init.

    ``memory`` is the least a machine needs and ``disk`` the size it sees, in bytes.
    """

    kind: Literal["cloud"]
    """A published cloud image, configured by cloud-init."""
    memory: Size = 512 * 2**20
    """Least memory of a machine, such as 512MiB."""
    disk: Size = 8 * 2**30
    """Size of the disk that a machine sees, such as 8GiB."""
    sources: Annotated[dict[ArchName, Source], Field(min_length=1)]
    """The published file for each architecture."""


@dataclass(frozen=True)
class ImageKind:
    """One kind of image; ``orchestrator.images.NAME`` builds it.

    ``making`` describes the build for progress messages. ``effort`` is how many times longer than a
    micro machine one of these takes to boot. ``programs`` are what the host needs besides an
    emulator, for images with a disk.
    """

    name: str
    recipe: type[Spec]
    making: str
    effort: float = 1.0
    programs: tuple[str, ...] = ()
    our_init: bool = False
    """Our own init runs it from a RAM disk and serves SSH, the first connection over a virtio-serial port."""
    by_cloud_init: bool = False
    """It boots with its own boot loader, and cloud-init configures it."""
    boxed: bool = False
    """Only container engines can run it."""


_LAYER = "building isolab's layer"

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


def kind_of(data: object) -> ImageKind:
    """The kind that a recipe file's content states. Raises ValueError."""
    name = data.get("kind") if isinstance(data, dict) else None
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"expected one of: {', '.join(KINDS)}")
    return kind


def read(data: object) -> Recipe:
    """Parse the content of a recipe file. Raises ValueError."""
    recipe: Any = kind_of(data).recipe.model_validate(data)
    found: Recipe = recipe
    return found
