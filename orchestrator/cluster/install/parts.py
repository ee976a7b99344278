"""What isolab consists of on a host: itself, and each package that it needs, as installed here.

A part is addressed by its content, so that a host gets only what it lacks. Tests of packages stay here, and
so does what no program of isolab's uses of the compiler: headers and libraries for other systems.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path, PurePosixPath

from orchestrator import __version__
from orchestrator.errors import Unavailable
from orchestrator.host.cache import sha256_file
from orchestrator.host.extras import how_to_install
from orchestrator.paths import IN_CHECKOUT, ROOT

EXTRA = "cluster"
OWN = "isolab"
_LEFT_OUT = {"tests", "__pycache__"}
_OF_THIS_PLACE = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""Files of a package that say how it came here (packaging.python.org, recording installed projects)."""
_COMPILER = (
    "ziglang/*.py",
    "ziglang/zig",
    "ziglang/lib/include/*",
    "ziglang/lib/libcxx/*",
    "ziglang/lib/libcxxabi/*",
    "ziglang/lib/libunwind/*",
    "ziglang/lib/libc/include/*-linux-any/*",
    "ziglang-*.dist-info/*",
)
"""What ``compile`` uses of the compiler's package: half of its bytes, and a seventh of its files."""


@dataclass(frozen=True)
class Part:
    """A package: its name, version, and files by their path below site-packages, each with its place here.
    ``key`` is the same wherever the files are, and for no other files."""

    name: str
    version: str
    key: str
    files: Mapping[str, Path]


@functools.cache
def parts() -> list[Part]:
    """Return all parts, isolab's own first, as they were when this process asked first. Raises Unavailable if
    the extra is not installed here."""
    needed = (_of_package(found) for found in _needed())
    return [_own(), *sorted(needed, key=lambda part: part.name)]


def _needed() -> list[metadata.Distribution]:
    """Return the packages that isolab with the extra needs on this Python and platform."""
    try:
        from packaging.requirements import Requirement

        todo = [Requirement("distributed"), *map(Requirement, metadata.requires(OWN) or ())]
        found: dict[str, metadata.Distribution] = {}
        while todo:
            one = todo.pop()
            name = re.sub(r"[-_.]+", "-", one.name).lower()
            if name in found or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
                continue
            found[name] = metadata.distribution(one.name)
            todo += map(Requirement, found[name].requires or ())
    except (ImportError, metadata.PackageNotFoundError) as problem:
        raise Unavailable(
            f"this isolab cannot go to other hosts: the package {problem.name} is not installed here",
            hint=f"install the extra: {how_to_install(EXTRA)}",
        ) from None
    return list(found.values())


def _of_package(found: metadata.Distribution) -> Part:
    name = str(found.metadata["Name"])
    recorded = [path for path in found.files or () if _is_sent(path)]
    if not recorded:
        raise Unavailable(
            f"the package {name} was installed without a list of its files, so it cannot go to other hosts",
            hint=f"install it anew with pip: {how_to_install(EXTRA)}",
        )
    # Hashes of the list are those of the files, unless somebody changed them.
    digests = {str(path): path.hash.value if path.hash else "" for path in recorded}
    files = {str(path): Path(str(path.locate())) for path in recorded}
    return Part(name, found.version, _key(name, found.version, digests), files)


def _is_sent(path: PurePosixPath) -> bool:
    parts = path.parts
    if ".." in parts or _LEFT_OUT.intersection(parts) or path.suffix == ".pyc":
        return False  # programs of its own, outside of site-packages, are not needed
    if parts[0].endswith(".dist-info") and path.name in _OF_THIS_PLACE:
        return False
    if parts[0].startswith("ziglang"):
        return any(fnmatchcase(str(path), pattern) for pattern in _COMPILER)
    return True


def _own() -> Part:
    """Return isolab itself as its wheel has it (pyproject.toml, tool.hatch.build.targets.wheel)."""
    if not IN_CHECKOUT:
        return _of_package(metadata.distribution(OWN))
    files = dict(_below(ROOT / "orchestrator", "orchestrator"))
    for name in ("labs", "images", "docs/labs"):
        files |= _below(ROOT / name, f"orchestrator/package_data/{name}")
    files["orchestrator/package_data/tasks.py"] = ROOT / "tasks.py"
    digests = {name: _sha256(path) for name, path in files.items()}
    return Part(OWN, __version__, _key(OWN, __version__, digests), files)


def _below(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        hidden = any(part.startswith(".") and part != ".gitkeep" for part in inner.parts)
        if path.is_file() and not hidden and "__pycache__" not in inner.parts:
            yield f"{name}/{inner.as_posix()}", path


def _sha256(path: Path) -> str:
    """Return a file's digest as lists of files have it."""
    return base64.urlsafe_b64encode(bytes.fromhex(sha256_file(path))).decode().rstrip("=")


def _key(name: str, version: str, digests: Mapping[str, str]) -> str:
    state = hashlib.sha256("".join(f"{path}\0{digests[path]}\n" for path in sorted(digests)).encode())
    plain = re.sub(r"[^A-Za-z0-9.]+", "_", f"{name}-{version}")
    return f"{plain}-{state.hexdigest()[:20]}"
