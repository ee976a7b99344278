"""The user space of the outer guest: a small Debian with the hypervisors and the project's own
Python dependencies, as an archive that a kernel unpacks beside the micro image's own.

Made once by mmdebstrap(1) and kept in the cache; the project itself is not in it. A module that
Debian has only as source is built for the micro image's kernel while the packages are installed,
by dkms(8), with the compiler of the kernel's own suite.
"""

from __future__ import annotations

import fnmatch
import re
import stat
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.debian.mirror import KEYRING, mirror
from orchestrator.host import cache, process
from orchestrator.host.tempdirs import working_folder
from orchestrator.images.tree import Entry, Tree
from orchestrator.machines import host_packages
from orchestrator.paths import ROOT
from orchestrator.progress import Silent

VERSION = 4
"""Raised when the same inputs make another system."""
BUILD_SECONDS = 1800.0
PLACE = "outer"
"""Where it lies in the outer guest, beneath the root of the micro image."""
MODULES = "modules"
"""Where, in it, the kernel modules lie that are loaded."""

_UNUSED = ("doc/*", "man/*", "locale/*", "info/*", "qemu/edk2*")
"""What of /usr/share no test reads; the firmware alone is half of QEMU."""
_COMPILING = ("usr/src/*", "usr/include/*", "usr/lib/gcc/*", "usr/libexec/gcc/*", "var/lib/dkms/*")
_LARGE = (
    *(
        "*/libLLVM*",
        "*/dri/*",
        "*/libgallium*",
        "*/libz3*",
        "*/virtualbox/webtest",
        "*/virtualbox/vboxwebsrv",
    ),
    *("var/cache/*", "var/lib/apt/*", "usr/bin/x86_64-linux-gnu-*"),
)
"""What comes with packages and nothing in the outer guest uses: it would lie in its memory."""
_ONLY_HERE = {"ziglang"}
"""Dependencies that only building takes: the outer guest builds nothing, it is handed images."""

_SUITE = {"pytest", "hypothesis"}
"""What the driver contract imports of the dependencies of tests, its conftest.py among it."""


@dataclass(frozen=True)
class System:
    """What is in a user space. ``python`` is the minor version that the suite has; ``modules``
    are those of the micro image's kernel that are loaded. ``built`` are modules that the packages
    have as source: the kernel's headers are installed along with them. ``users`` are in all
    ``groups``, and each in one of its own name."""

    suite: str
    python: str
    packages: tuple[str, ...]
    modules: tuple[str, ...] = ("kvm_amd", "tun")
    components: str = "main"
    built: tuple[str, ...] = ()
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

VIRTUALBOX = System(
    "sid",
    "3.14",
    ("virtualbox", "virtualbox-dkms", "systemd-standalone-sysusers", "python3", "procps", "kmod", "iproute2"),
    modules=(),  # KVM and VirtualBox do not share a processor
    components="main,contrib",
    built=("vboxdrv",),
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
    """The user space as a cpio archive, from the cache or made now; takes root and minutes."""
    deadline = Deadline.after(BUILD_SECONDS)
    host_packages.ensure([host_packages.MMDEBSTRAP, host_packages.KEYS], Silent(), deadline)
    headers = _headers(deadline) if system.built else []
    key = cache.digest(VERSION, system, headers, _UNUSED, _COMPILING, _LARGE, requirements())

    def fill(folder: Path) -> dict[str, Any]:
        with working_folder("outer") as place:
            root = place / "root"
            _install(system, headers, root, deadline)
            for name in system.built:
                (module,) = (root / "usr/lib/modules").glob(f"*/updates/dkms/{name}.ko")
                (root / MODULES).mkdir(exist_ok=True)
                module.rename(root / MODULES / f"built-{name}.ko")
            grown(root, PLACE, [*_COMPILING, *_LARGE]).write_cpio(folder / "root.cpio")
        return {"suite": system.suite, "packages": system.packages, "python": requirements()}

    return cache.make("nested", f"{system.suite}-{key}", fill, deadline) / "root.cpio"


def _headers(deadline: Deadline) -> list[str]:
    """What modules for the micro image's kernel are built with: one package, by its name."""
    arch = ARCHITECTURES["amd64"]
    kernel = Archives(deadline).suite(arch.suite).resolve(arch.name, [f"{arch.kernel_package}->"])
    return [package.name.replace("-image-", "-headers-") for package in kernel.values()]


def _install(system: System, headers: list[str], root: Path, deadline: Deadline) -> None:
    argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join([*system.packages, *headers])}"]
    argv += [f"--keyring={KEYRING}", '--aptopt=APT::Install-Recommends "false"']
    argv += [f"--dpkgopt=path-exclude=/usr/share/{words}" for words in _UNUSED]
    # An archive's mirror may lag behind; what it signs is checked all the same.
    argv += ['--aptopt=Acquire::Check-Valid-Until "false"']
    sources = [f"deb {mirror()} {system.suite} {system.components.replace(',', ' ')}"]
    if headers:
        sources.append(f"deb {mirror()} {ARCHITECTURES['amd64'].suite} main")
    process.run([*argv, system.suite, root, *sources], deadline=deadline)
    _complete(system, root, deadline)
    # For the guest's Python, which need not be ours.
    wheels = ["--only-binary=:all:", "--implementation", "cp", "--python-version", system.python]
    wheels += [w for glibc in (17, 28, 34) for w in ("--platform", f"manylinux_2_{glibc}_x86_64")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    process.run([*pip, *wheels, "--target", root / system.site, *requirements()], deadline=deadline)
    # Compiling there would take a minute on an emulated processor. What is compiled is good whatever
    # a source's date says, for the archive keeps none.
    compiling = ["python3", "-m", "compileall", "-q", "-f", "--invalidation-mode=unchecked-hash"]
    process.run(["chroot", root, *compiling, f"/{system.site}"], deadline=deadline)
    # Debian's own would work uncompiled, only slower; whether a suite has both folders is its matter.
    debian = [f"/usr/lib/python{system.python}", "/usr/lib/python3/dist-packages"]
    process.run(["chroot", root, *compiling, *debian], deadline=deadline, check=False)


def _complete(system: System, root: Path, deadline: Deadline) -> None:
    """What packages that were left out would have made."""
    for group in system.groups:
        process.run(["chroot", root, "groupadd", "--system", group], deadline=deadline)
    member = ["useradd", "--system", "--user-group", "--groups", ",".join(system.groups)]
    for user in system.users:
        process.run(["chroot", root, *member, user], deadline=deadline)
    for folder in system.folders:
        (root / folder).mkdir(parents=True)


def grown(root: Path, place: str, without: Sequence[str] = ()) -> Tree:
    """A folder of the host as a tree beneath ``place``: folders, files and links, owners kept;
    less what matches one of the patterns ``without``."""
    tree = Tree()
    tree.folder(place)
    for path in sorted(root.rglob("*")):
        if any(fnmatch.fnmatchcase(str(path.relative_to(root)), pattern) for pattern in without):
            continue
        about, name = path.lstat(), f"{place}/{path.relative_to(root)}"
        if stat.S_ISLNK(about.st_mode):
            tree.link(name, str(path.readlink()))
        elif stat.S_ISDIR(about.st_mode):
            tree.entries[name] = Entry(about.st_mode, uid=about.st_uid, gid=about.st_gid)
        elif stat.S_ISREG(about.st_mode):
            tree.entries[name] = Entry(about.st_mode, path.read_bytes(), about.st_uid, about.st_gid)
    return tree
