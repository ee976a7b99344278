"""Guest images: fetched and verified packages in, a kernel and a root file system out."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from orchestrator import toolchain
from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.images import cache, micro
from orchestrator.images.debian import Archive
from orchestrator.paths import GUEST_SOURCES
from orchestrator.spec import Recipe

VERSION = 2
"""Raised when what a builder makes of the same inputs changes."""


@dataclass(frozen=True)
class Image:
    """A built image for one architecture: files in the cache that nobody writes to again."""

    name: str
    arch: str
    key: str
    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "kernel"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def rootfs(self) -> Path:
        """The root file system as a tar archive, for containers."""
        return self.folder / "rootfs.tar"

    @property
    def runner(self) -> Path:
        """The runner, for programs that run on the host's own kernel."""
        return self.folder / "run"


class Archives:
    """The suites in use by this process, each verified once."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._suites: dict[str, Archive] = {}
        self._lock = threading.Lock()

    def suite(self, name: str) -> Archive:
        with self._lock:
            return self._suites.setdefault(name, Archive(name, self._deadline))


def key(recipe: Recipe, arch: Arch) -> str:
    """The content key: the same inputs give the same image."""
    sources = [path.read_bytes() for path in sorted(GUEST_SOURCES.glob("*.[ch]"))]
    about = (
        VERSION,
        arch.suite,
        arch.kernel_package,
        arch.toolchain,
        toolchain.STANDARD_FLAGS,
    )
    return f"{recipe.image}-{arch.name}-{cache.digest(recipe.model_dump_json(), about, *sources)}"


def find(recipe: Recipe, arch: Arch) -> Image | None:
    """The image if it is in the cache."""
    folder = cache.place("images", key(recipe, arch))
    return Image(recipe.image, arch.name, folder.name, folder) if (folder / cache.META).exists() else None


def build(recipe: Recipe, arch: Arch, archives: Archives, deadline: Deadline) -> Image:
    """The image, built on first use. Raises ImageError, BuildError, TimedOut, Interrupted."""

    def fill(folder: Path) -> dict[str, object]:
        archive = archives.suite(arch.suite)
        tools = toolchain.prepare(arch, archive, deadline)
        facts = micro.build(recipe, arch, archive, tools, folder, deadline)
        facts["sha256"] = {p.name: cache.sha256_file(p) for p in sorted(folder.iterdir())}
        return facts

    name = key(recipe, arch)
    return Image(recipe.image, arch.name, name, cache.make("images", name, fill, deadline))
