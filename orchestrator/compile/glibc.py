"""glibc, for programs whose exercise or user asks for it: Debian's own package of each architecture.

Programs are linked with it statically, as with musl, so that they run on every machine whatever its library.
"""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.arch import Arch
from orchestrator.debian.archive import Archive, PackageMember, members
from orchestrator.debian.source import upstream_version

LIBRARY, HASHES = "libc6-dev", "libcrypt-dev"
"""The packages: the library itself, and crypt(3), which musl has in ``libc.a``."""
_WITHOUT_HASHES = frozenset({"ppc64el"})
"""Debian compiles crypt(3) without a linkage table there, which lld cannot link (R_PPC64_PLT16_HA)."""
VERSION = 1
"""Incremented when the same packages become another toolchain."""
_MIB = 2**20
_DOWNLOAD, _DOWNLOADS = 3 * _MIB, {"amd64": 4 * _MIB, "i386": 4 * _MIB, "riscv64": 8 * _MIB}
"""About the size of the packages, libgcc's included: Debian 12 and 13, 2026."""
_START_FILES = ("crt1.o", "crti.o", "crtn.o", "rcrt1.o")
_NUMBERED = re.compile(r"libm-[\d.]+\.a")
"""What ``libm.a`` leads to where that is a linker script, with the paths of an installed package."""
_SCRIPT = b"/* GNU ld script"
_FEATURES = b"""\
#if defined _ALL_SOURCE && !defined _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
"""
"""In front of ``features.h``: programs are compiled with _ALL_SOURCE, which means this to musl."""


def packages_of(arch: Arch) -> tuple[str, ...]:
    """Return the names of an architecture's packages."""
    return (LIBRARY,) if arch.name in _WITHOUT_HASHES else (LIBRARY, HASHES)


def download_bytes(arch: Arch) -> int:
    """Return about how much is downloaded for an architecture's toolchain with glibc, in bytes."""
    return _DOWNLOADS.get(arch.name, _DOWNLOAD)


def add(arch: Arch, archive: Archive, folder: Path) -> str:
    """Add glibc to the folder of a toolchain: archives, start files, ``include/``. Returns its version.

    Raises ImageError, NotOnMirror.
    """
    packages = archive.resolve(arch.name, packages_of(arch))
    paths = archive.fetch(list(packages.values()))
    libraries, own = f"usr/lib/{arch.toolchain.libc}/", f"usr/include/{arch.toolchain.libc}/"
    for path in paths.values():
        for member in members(path, [f"{libraries}*", "usr/include/*"]):
            if place := _place(member, libraries, own):
                target = folder / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_FEATURES + member.data if place == "include/features.h" else member.data)
    if HASHES not in packages:  # what asks for it and does not use it is linked
        (folder / "libcrypt.a").write_bytes(b"!<arch>\n")
    return upstream_version(packages[LIBRARY].version)


def _place(member: PackageMember, libraries: str, own: str) -> str:
    """Where a package's file belongs in a toolchain's folder; "" if it has no place there."""
    path = member.path
    if path.startswith("usr/include/"):
        return f"include/{path.removeprefix(own if path.startswith(own) else 'usr/include/')}"
    name = path.removeprefix(libraries)
    if name in _START_FILES:
        return name
    if not name.endswith(".a") or "/" in name or member.data.startswith(_SCRIPT):
        return ""
    return "libm.a" if _NUMBERED.fullmatch(name) else name
