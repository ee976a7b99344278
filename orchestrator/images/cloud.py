"""A published cloud image: downloaded, verified by its digest, and otherwise unchanged.

Its machines boot with firmware and their own boot loader; cloud-init gets their identity from us
(see ``orchestrator.drivers.guest.cloud_init``), and the runner is copied in when they are up.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile import toolchain as compiler
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.debian.download import Published, fetched
from orchestrator.errors import ImageError
from orchestrator.host import process
from orchestrator.images.micro import RUNNER_FILES, RUNNER_SOURCES
from orchestrator.labfile.image_recipe import CloudRecipe, Source
from orchestrator.paths import GUEST_SOURCES

VERSION = 1
"""Incremented when the same inputs build a different image."""


def inputs(recipe: CloudRecipe, arch: Arch) -> list[object]:
    """What determines the image: the digest of the published file, and our runner."""
    source = recipe.sources.get(arch.name)
    about = (VERSION, source.sha256 if source else "", arch.toolchain, compiler.STANDARD_FLAGS)
    return [*about, recipe.memory, recipe.disk, *((GUEST_SOURCES / n).read_bytes() for n in RUNNER_FILES)]


def expected_seconds(_arch: Arch) -> float:
    """How long building takes: the download, at ten megabytes a second."""
    return 60.0


def build(
    recipe: CloudRecipe, arch: Arch, archives: Archives, folder: Path, deadline: Deadline
) -> dict[str, Any]:
    """Fill ``folder`` with ``disk.qcow2`` and ``run``; returns the facts.

    Raises ImageError, BuildError, TimedOut, Interrupted, Unavailable.
    """
    source = recipe.sources.get(arch.name)
    if source is None:
        known = ", ".join(recipe.sources)
        raise ImageError(
            f"image {recipe.image} is not published for {arch.name}",
            hint=f"its recipe has sources for {known}; add one with `url:` and `sha256:`",
        )
    toolchain = compiler.prepare(arch, archives.suite(arch.suite), deadline)
    files = [GUEST_SOURCES / name for name in RUNNER_SOURCES]
    compiler.compile_program(arch, toolchain, files, (), folder / "run", deadline)
    with fetched(_published(source), deadline) as file:
        size = _virtual_size(file, recipe, source.url, deadline)
        process.run(
            ["qemu-img", "convert", "-q", "-O", "qcow2", file, folder / "disk.qcow2"], deadline=deadline
        )
    return {
        "image": recipe.image,
        "arch": arch.name,
        "suite": "-",
        "kernel": "its own",
        "from": source.url,
        "virtual_size": size,
        "bytes": {"disk.qcow2": (folder / "disk.qcow2").stat().st_size},
    }


def _published(source: Source) -> Published:
    return Published(
        (source.url,),
        source.sha256,
        described_by="the recipe",
        if_other="compare the digest with the publisher's; if the file was replaced, update the recipe",
        if_absent="check the network and the recipe's `url:`; the next attempt resumes this download",
    )


def _virtual_size(file: Path, recipe: CloudRecipe, url: str, deadline: Deadline) -> int:
    """The virtual disk size of an image file of any format, in bytes. Raises ImageError."""
    # A backing file named by a foreign image would be a file on this host: qemu-img(1).
    done = process.run(["qemu-img", "info", "--output=json", file], deadline=deadline, check=False)
    if done.code != 0:
        raise ImageError(f"{url}: not a disk image: {done.tail(2)}")
    about = json.loads(done.stdout)
    if "backing-filename" in about or "data-file" in about.get("format-specific", {}).get("data", {}):
        raise ImageError(f"{url}: refers to another file", hint="use an image without a backing file")
    size = int(about["virtual-size"])
    if size > recipe.disk:
        raise ImageError(
            f"{url}: its disk has {size // 2**20} MiB, but the recipe allows {recipe.disk // 2**20} MiB",
            hint=f"set `disk: {-(-size // 2**20)}MiB` or more in the recipe of {recipe.image}",
        )
    return size
