"""Guest images: built from downloaded and verified packages into a kernel and a root file system."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import ImageError, NotOnMirror
from orchestrator.host import cache
from orchestrator.images.first_start import BUILT_IN, announcement
from orchestrator.labfile.image_recipe import KINDS, Recipe
from orchestrator.progress import Progress

BUILD_SECONDS = 1800.0
"""How long building one image may take."""
TRY_AGAIN = "run `isolab images build` to try again"


@dataclass(frozen=True)
class Image:
    """A built image for one architecture: files in the cache that are never modified."""

    name: str
    arch: str
    key: str
    folder: Path
    memory: int = 0
    """The least memory a machine of it needs, in bytes."""
    disk_size: int = 0
    """Bytes of the disk a machine sees; 0 when it needs none."""
    kind: str = "micro"
    """The kind of its recipe."""

    @property
    def effort(self) -> float:
        """How many times longer than a micro machine one of these takes to boot."""
        return KINDS[self.kind].effort

    @property
    def by_cloud_init(self) -> bool:
        """Whether it boots with its own boot loader and is configured by cloud-init."""
        return KINDS[self.kind].by_cloud_init

    @property
    def answers_on_a_line(self) -> bool:
        """Whether our init serves SSH, the first connection over a virtio-serial port."""
        return KINDS[self.kind].our_init

    @property
    def disk(self) -> Path | None:
        """The initial content of the machine's disk (qcow2), for images that have one."""
        return self.folder / "disk.qcow2" if self.disk_size else None

    @property
    def kernel(self) -> Path:
        return self.folder / "kernel"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def home_initrd(self) -> Path | None:
        """What a machine with a home disk needs besides, to be unpacked after ``initrd``; None if nothing."""
        return self.folder / "initrd.home" if self.answers_on_a_line else None

    @property
    def rootfs(self) -> Path:
        """The root file system as a tar archive, for containers."""
        return self.folder / "rootfs.tar"

    @property
    def runner(self) -> Path:
        """The runner, for programs on the host's own kernel."""
        return self.folder / "run"


class Builder(Protocol):
    """The interface of a module ``orchestrator.images.KIND``, one for each kind of recipe."""

    def inputs(self, recipe: Any, arch: Arch) -> Sequence[object]:
        """Everything that determines the result: the recipe, versions, sources."""

    def expected_seconds(self, _arch: Arch, /) -> float:
        """How long building takes on a laptop of the 2020s."""

    def build(
        self, recipe: Any, arch: Arch, archives: Archives, folder: Path, deadline: Deadline
    ) -> dict[str, Any]:
        """Fill ``folder`` with the image's files; returns the facts.

        Raises ImageError, BuildError, TimedOut, Interrupted.
        """


def _builder(recipe: Recipe) -> Builder:
    return cast(Builder, importlib.import_module(f"orchestrator.images.{recipe.kind}"))


def key(recipe: Recipe, arch: Arch) -> str:
    """The image's content key: the same inputs have the same key."""
    return f"{recipe.image}-{arch.name}-{cache.digest(*_builder(recipe).inputs(recipe, arch))}"


def find(recipe: Recipe, arch: Arch) -> Image | None:
    """The image if it is cached, else a cached substitute (see ``_build``); None if neither is."""
    for source in (arch, arch.former):
        folder = cache.place("images", key(recipe, source)) if source else None
        if folder and (folder / cache.META).exists():
            return _image(recipe, arch, folder)
    return None


def name_of(recipe: Recipe, arch: Arch) -> str:
    """An image's name in progress messages."""
    return f"image {recipe.image}/{arch.name}"


def obtain(
    recipe: Recipe,
    arch: Arch,
    archives: Archives,
    progress: Progress,
    deadline: Deadline,
    *,
    renew: bool = False,
    turn: AbstractContextManager[object] | None = None,
) -> Image:
    """Return the image from the cache, or build it from verified parts, reporting progress.

    A substitute (see ``_build``) will do, unless ``renew``; people are told when it is built. ``turn`` is
    entered while something is built. Raises ImageError, BuildError, TimedOut, Interrupted.
    """
    who = name_of(recipe, arch)
    image = None if renew else find(recipe, arch)
    why = ""
    if image is None:
        if not renew and (words := announcement(recipe, arch, _builder(recipe).expected_seconds(arch))):
            progress.tell(f"{who}: {words}")
        with turn or contextlib.nullcontext():
            progress.doing(who, *expectation(recipe, arch))
            image = _build(recipe, arch, archives, deadline.within(BUILD_SECONDS))
        progress.done(who, "ready")
        why = substitution(image)
        if not why and cache.meta(image.folder).get("outdated"):
            why = "built from an earlier package index; the mirror is being updated"
    if why and renew:
        progress.tell(f"{who}: {why}")
    elif why and archives.first_note():
        progress.tell(f"{who}: {why}; {TRY_AGAIN}")
    return image


def _image(recipe: Recipe, arch: Arch, folder: Path) -> Image:
    return Image(recipe.image, arch.name, folder.name, folder, recipe.memory, recipe.disk, recipe.kind)


def substitutions(wanted: Sequence[tuple[Recipe, Arch]]) -> list[str]:
    """Return for those of these images that are substitutes in the cache why they are, a line each."""
    found = ((name_of(recipe, arch), find(recipe, arch)) for recipe, arch in wanted)
    reasons = ((who, substitution(image)) for who, image in found if image is not None)
    return [f"{who}: {why}; {TRY_AGAIN}" for who, why in reasons if why]


def substitution(image: Image) -> str:
    """Why an image was built from another release than it should be; "" if it was not."""
    about = cache.meta(image.folder)
    return f"built from Debian {about['suite']}: {about['stands_in']}" if "stands_in" in about else ""


def expectation(recipe: Recipe, arch: Arch) -> tuple[str, float]:
    """A description of an image's build, and its seconds on a laptop of the 2020s."""
    return KINDS[recipe.kind].making, _builder(recipe).expected_seconds(arch)


def damaged(folder: Path) -> list[str]:
    """Files of an image that differ from what was built; ["meta.json"] if that is unreadable."""
    try:
        noted = cache.meta(folder)["sha256"]
    except (OSError, ValueError, KeyError):
        return [cache.META]
    return [
        n for n, sha in noted.items() if not (folder / n).is_file() or cache.sha256_file(folder / n) != sha
    ]


def _build(recipe: Recipe, arch: Arch, archives: Archives, deadline: Deadline) -> Image:
    """Build the image.

    A mirror in the middle of an update may lack packages of some architectures for days. Then the
    image is built from the previous release, as a substitute whose facts say why (``stands_in``);
    it is used until a later call succeeds. Raises ImageError, BuildError, TimedOut, Interrupted.
    """
    try:
        return _built(recipe, arch, arch, archives, deadline)
    except NotOnMirror as missing:
        if arch.former is None:
            raise
        try:
            return _built(recipe, arch, arch.former, archives, deadline, missing.message)
        except ImageError:
            raise missing from None


def _built(
    recipe: Recipe, arch: Arch, source: Arch, archives: Archives, deadline: Deadline, why: str = ""
) -> Image:
    """The image of ``arch``, built from the release that ``source`` names."""

    def fill(folder: Path) -> dict[str, object]:
        begun = time.monotonic()
        facts = _builder(recipe).build(recipe, source, archives, folder, deadline)
        facts[BUILT_IN] = round(time.monotonic() - begun, 1)
        facts["sha256"] = {p.name: cache.sha256_file(p) for p in sorted(folder.iterdir())}
        return facts | ({"stands_in": why} if why else {})

    name = key(recipe, source)
    return _image(recipe, arch, cache.make("images", name, fill, deadline))
