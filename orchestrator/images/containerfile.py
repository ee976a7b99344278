"""Images from a Containerfile: its folder as one archive, and isolab's layer for the top."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import ImageError
from orchestrator.host.confine import confined
from orchestrator.images import layer
from orchestrator.labfile.image_recipe import ContainerfileRecipe

MOST_BYTES = 256 * 2**20
"""Most bytes of a build context: anything larger is somebody's home folder, not a build."""


def inputs(recipe: ContainerfileRecipe, arch: Arch) -> list[object]:
    """What determines the image: every file of the folder. Raises ImageError."""
    return ["containerfile", recipe.file, recipe.network, pack(recipe), *layer.inputs(arch)]


def expected_seconds(_arch: Arch) -> float:
    """How long building takes: only our layer is built here; the engine reports its own part."""
    return 2.0


def build(
    recipe: ContainerfileRecipe, arch: Arch, archives: Archives, folder: Path, deadline: Deadline
) -> dict[str, Any]:
    """Fill ``folder`` with the build context and our layer; the engine does the rest.

    Raises ImageError, BuildError, TimedOut, Interrupted.
    """
    (folder / "context.tar").write_bytes(pack(recipe))
    facts = layer.write(arch, archives, folder, deadline)
    return {**facts, "image": recipe.image, "file": recipe.file, "network": recipe.network}


def pack(recipe: ContainerfileRecipe) -> bytes:
    """The folder as an archive that depends only on names, modes and contents. Raises ImageError."""
    root = recipe.folder
    _require(recipe)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _files(root):
            about = tarfile.TarInfo(str(path.relative_to(root)))
            mode = path.lstat().st_mode
            about.mode = 0o755 if mode & stat.S_IXUSR else 0o644
            if stat.S_ISLNK(mode):
                about.type, about.linkname = tarfile.SYMTYPE, str(path.readlink())
                archive.addfile(about)
            elif stat.S_ISDIR(mode):
                about.type = tarfile.DIRTYPE
                archive.addfile(about)
            else:
                about.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(about, file)
            if buffer.tell() > MOST_BYTES:
                raise ImageError(
                    f"image {recipe.image}: {root} is larger than {MOST_BYTES // 2**20} MiB",
                    hint="move the Containerfile to a folder of its own (`folder:` in the recipe)",
                )
    return buffer.getvalue()


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            yield path


def _require(recipe: ContainerfileRecipe) -> None:
    try:
        if confined(recipe.folder, recipe.file).is_file():
            return
        reason = f"{recipe.folder / recipe.file} is not a file"
    except (FileNotFoundError, ValueError):
        reason = f"no {recipe.file} in {recipe.folder}"
    raise ImageError(f"image {recipe.image}: {reason}", hint="check `folder:` and `file:` in the recipe")
