"""isolab's layer on top of a foreign container image: the runner and a working folder.

It is an archive that ``ADD`` unpacks, so no program of the image runs, and owners and modes are
what we set (Containerfile(5)).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile import toolchain as compiler
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.images.micro import RUNNER, RUNNER_FILES, RUNNER_SOURCES
from orchestrator.images.tree import Tree
from orchestrator.paths import GUEST_SOURCES

VERSION = 1
CONTAINERFILE = """\
ARG BASE
FROM ${BASE}
USER 0:0
WORKDIR /
ADD layer.tar /
ENTRYPOINT []
CMD []
"""


def inputs(arch: Arch) -> list[object]:
    """What determines the layer."""
    sources = [(GUEST_SOURCES / name).read_bytes() for name in RUNNER_FILES]
    return [VERSION, CONTAINERFILE, arch.name, arch.toolchain, compiler.STANDARD_FLAGS, *sources]


def write(arch: Arch, archives: Archives, folder: Path, deadline: Deadline) -> dict[str, Any]:
    """Fill ``folder`` with ``run``, ``layer.tar`` and the ``Containerfile`` that adds it to BASE.

    Returns the facts every image has. Raises ImageError, BuildError, TimedOut, Interrupted.
    """
    archive = archives.suite(arch.suite)
    toolchain = compiler.prepare(arch, archive, deadline)
    sources = [GUEST_SOURCES / name for name in RUNNER_SOURCES]
    compiler.compile_program(arch, toolchain, sources, (), folder / "run", deadline)
    tree = Tree()
    tree.folder("work", 0o711)
    tree.file(RUNNER, (folder / "run").read_bytes(), 0o755)
    tree.write_tar(folder / "layer.tar")
    (folder / "Containerfile").write_text(CONTAINERFILE)
    size = {"layer.tar": (folder / "layer.tar").stat().st_size}
    return {"arch": arch.name, "kernel": "the host's", "suite": "-", "bytes": size}
