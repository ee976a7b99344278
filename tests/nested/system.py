"""The user space of the outer guest: a small Debian with QEMU, libvirt and the project's own
Python dependencies, as an archive that a kernel unpacks beside the micro image's own.

Made once by mmdebstrap(1) and kept in the cache; the project itself is not in it.
"""

from __future__ import annotations

import re
import stat
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import packages, proc
from orchestrator.deadline import Deadline
from orchestrator.images import cache
from orchestrator.images.mirror import KEYRING, mirror
from orchestrator.images.tree import Entry, Tree
from orchestrator.paths import ROOT
from orchestrator.progress import Silent
from orchestrator.scratch import working_folder

VERSION = 2
"""Raised when the same inputs make another system."""
BUILD_SECONDS = 900.0
PLACE = "outer"
"""Where it lies in the outer guest, beneath the root of the micro image."""

_UNUSED = ("doc/*", "man/*", "locale/*", "info/*", "qemu/edk2*")
"""What of /usr/share no test reads; the firmware alone is half of QEMU."""
_ONLY_HERE = {"ziglang"}
"""Dependencies that only building takes: the outer guest builds nothing, it is handed images."""

_SUITE = {"pytest", "hypothesis"}
"""What the driver contract imports of the dependencies of tests, its conftest.py among it."""


@dataclass(frozen=True)
class System:
    """What is in a user space. ``python`` is the minor version that the suite has; ``users`` are
    in all ``groups``, and each in one of its own name."""

    suite: str
    python: str
    packages: tuple[str, ...]
    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def site(self) -> str:
        """Where Python finds packages that are not Debian's, whoever starts it."""
        return f"usr/local/lib/python{self.python}/dist-packages"


DEBIAN = System(
    "bookworm",
    "3.11",
    (
        "qemu-system-x86",
        "qemu-utils",
        "libvirt-daemon",
        "libvirt-daemon-driver-qemu",
        "libvirt-clients",
        "python3-libvirt",
        "python3",
        "procps",
        "kmod",
        "iproute2",
    ),
    # As the package libvirt-daemon-system has them, which brings a firewall, polkit and an init along.
    groups=("kvm",),
    users=("libvirt-qemu",),
    folders=("var/log/libvirt",),
)


def requirements() -> list[str]:
    """What the project and its tests need of Python, as ``pyproject.toml`` says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    wanted = {_name(text) for text in project["dependencies"]} - _ONLY_HERE | _SUITE
    return [text for text in found if _name(text) in wanted]


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert match is not None
    return match[0].lower()


def archive_of(system: System) -> Path:
    """The user space as a cpio archive, from the cache or made now; takes root and a minute."""
    key = cache.digest(VERSION, system, _UNUSED, requirements())
    deadline = Deadline.after(BUILD_SECONDS)
    packages.ensure([packages.MMDEBSTRAP, packages.KEYS], Silent(), deadline)

    def fill(folder: Path) -> dict[str, Any]:
        with working_folder("outer") as place:
            root = place / "root"
            _install(system, root, deadline)
            grown(root, PLACE).write_cpio(folder / "root.cpio")
        return {"suite": system.suite, "packages": system.packages, "python": requirements()}

    return cache.make("nested", f"{system.suite}-{key}", fill, deadline) / "root.cpio"


def _install(system: System, root: Path, deadline: Deadline) -> None:
    argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join(system.packages)}"]
    argv += [f"--keyring={KEYRING}", '--aptopt=APT::Install-Recommends "false"']
    argv += [f"--dpkgopt=path-exclude=/usr/share/{words}" for words in _UNUSED]
    # An archive's mirror may lag behind; what it signs is checked all the same.
    argv += ['--aptopt=Acquire::Check-Valid-Until "false"']
    proc.run([*argv, system.suite, root, mirror()], deadline=deadline)
    _complete(system, root, deadline)
    # For the guest's Python, which need not be ours.
    wheels = ["--only-binary=:all:", "--implementation", "cp", "--python-version", system.python]
    wheels += [w for glibc in (17, 28, 34) for w in ("--platform", f"manylinux_2_{glibc}_x86_64")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    proc.run([*pip, *wheels, "--target", root / system.site, *requirements()], deadline=deadline)
    # Compiling there would take minutes on an emulated processor.
    proc.run(["chroot", root, "python3", "-m", "compileall", "-q", f"/{system.site}"], deadline=deadline)


def _complete(system: System, root: Path, deadline: Deadline) -> None:
    """What packages that were left out would have made."""
    for group in system.groups:
        proc.run(["chroot", root, "groupadd", "--system", group], deadline=deadline)
    member = ["useradd", "--system", "--user-group", "--groups", ",".join(system.groups)]
    for user in system.users:
        proc.run(["chroot", root, *member, user], deadline=deadline)
    for folder in system.folders:
        (root / folder).mkdir(parents=True)


def grown(root: Path, place: str) -> Tree:
    """A folder of the host as a tree beneath ``place``: folders, files and links, owners kept."""
    tree = Tree()
    tree.folder(place)
    for path in sorted(root.rglob("*")):
        about, name = path.lstat(), f"{place}/{path.relative_to(root)}"
        if stat.S_ISLNK(about.st_mode):
            tree.link(name, str(path.readlink()))
        elif stat.S_ISDIR(about.st_mode):
            tree.entries[name] = Entry(about.st_mode, uid=about.st_uid, gid=about.st_gid)
        elif stat.S_ISREG(about.st_mode):
            tree.entries[name] = Entry(about.st_mode, path.read_bytes(), about.st_uid, about.st_gid)
    return tree
