"""The C library of all architectures: musl, in the version of one Debian release."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile import musl
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archive, members
from orchestrator.debian.source import SourcePackage, upstream_version
from orchestrator.errors import NotOnMirror
from orchestrator.host import cache

SUITE = "trixie"
"""The release whose musl programs of all architectures are linked with: where libraries differ, so do
programs, and it would look like a difference of architectures."""
_PREBUILT = "musl-dev"


def add(
    arch: Arch, archive: Archive, compiler: Sequence[str | Path], folder: Path, deadline: Deadline
) -> str:
    """Add musl to the folder of a toolchain: ``libc.a``, start files, ``include/``. Returns its version.

    It is prebuilt where the release has the architecture and the mirror the package, else built from the
    release's sources, once. ``compiler`` is one for the architecture, without headers. Raises ImageError,
    BuildError, TimedOut.
    """
    if archive.covers(arch.name):
        with contextlib.suppress(NotOnMirror):
            return _unpack(arch, archive, folder)
    source = archive.source("musl")
    built = _built(arch, archive, source, compiler, deadline)
    shutil.copytree(built, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(cache.META))
    return source.upstream


def _unpack(arch: Arch, archive: Archive, folder: Path) -> str:
    package = archive.resolve(arch.name, [_PREBUILT])[_PREBUILT]
    path = archive.fetch([package])[_PREBUILT]
    libraries, headers = (f"usr/{kind}/{arch.toolchain.libc}/" for kind in ("lib", "include"))
    for member in members(path, [f"{libraries}*", f"{headers}*"]):
        inside = member.path.removeprefix(libraries)
        if inside == member.path:
            inside = f"include/{member.path.removeprefix(headers)}"
        place = folder / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(member.data)
    return upstream_version(package.version)


def _built(
    arch: Arch, archive: Archive, source: SourcePackage, compiler: Sequence[str | Path], deadline: Deadline
) -> Path:
    """Return the folder of a musl built from its sources, whatever else of the toolchain changes."""

    def fill(folder: Path) -> dict[str, Any]:
        musl.build(arch, compiler, archive.fetch_source(source), folder, deadline)
        return {"arch": arch.name, "package": source.version}

    about = (musl.VERSION, musl.FLAGS, source.archives, version("ziglang"), arch.toolchain)
    return cache.make("libc", f"{arch.name}-{cache.digest(*about)}", fill, deadline)
