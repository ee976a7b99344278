"""A host with another release of Debian: its packages in a folder of this one, made its root folder.

It has this host's kernel and none of its processes. The Python packages of the project are put into it
from here, for its own version of Python. It is entered by pivot_root(8): in a chroot(1), commands sent into
a container would run on this host instead (``orchestrator/drivers/container/whole_host.py``).
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.debian.mirror import KEYRING, mirror
from orchestrator.host import cache, process
from orchestrator.host.process.child import Finished
from orchestrator.machines import host_packages
from orchestrator.paths import ROOT
from orchestrator.progress import SilentProgress

VERSION = 1
"""Raised when the same inputs make another host."""
BUILD_SECONDS = 900.0
PACKAGES = (
    *("qemu-system-x86", "qemu-system-s390x", "qemu-utils", "python3", "iproute2", "procps", "gpgv"),
    *("podman", "runc"),  # which works with whatever cgroups this host has; crun does not
)
SITE = "opt/site"
"""Where the Python packages are."""
PROJECT = "opt/project"
"""Where this checkout is mounted."""
_OF_TESTS = ("pytest", "hypothesis")
_UNUSED = ("doc/*", "man/*", "locale/*", "info/*", "qemu/edk2*")

_ENTER = """\
mount --bind "$1" "$1"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
mkdir -p "$1/var/lib/containers"
mount -t tmpfs tmpfs "$1/var/lib/containers"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/$3"
mkdir -p "$1/$4"
mount --bind "$4" "$1/$4"
cd "$1"
shift 4
pivot_root . .
umount -l .
exec "$@"
"""


@dataclass(frozen=True)
class OtherHost:
    """One in a folder; ``python`` is its version of Python, such as ``3.13``."""

    root: Path
    python: str

    def run(self, home: Path, argv: list[str], env: Mapping[str, str], seconds: float) -> Finished:
        """Run a program there, in the checkout, with the folder ``home`` of this host under the same path."""
        apart = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--propagation", "private"]
        enter: list[str | Path] = ["sh", "-ec", _ENTER, "sh", self.root, ROOT, PROJECT, home]
        known = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONPATH": f"/{PROJECT}:/{SITE}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        there = ["sh", "-c", f'cd /{PROJECT} && exec "$@"', "sh", *argv]
        return process.run(
            [*apart, *enter, *there], deadline=Deadline.after(seconds), env={**known, **env}, check=False
        )


def other_host(suite: str) -> OtherHost:
    """One with this release of Debian, from the cache or made now; takes root and minutes."""
    deadline = Deadline.after(BUILD_SECONDS)
    host_packages.ensure([host_packages.MMDEBSTRAP, host_packages.KEYS], SilentProgress(), deadline)

    def fill(folder: Path) -> dict[str, Any]:
        root = folder / "root"
        _install(suite, root, deadline)
        python = _python(root, deadline)
        _add_python_packages(python, root, deadline)
        for place in (PROJECT, "dev", "sys", "proc"):
            (root / place).mkdir(parents=True, exist_ok=True)
        return {"suite": suite, "python": python}

    key = cache.digest(VERSION, suite, PACKAGES, _requirements())
    found = cache.make("suite", f"host-{suite}-{key}", fill, deadline)
    return OtherHost(found / "root", cache.meta(found)["python"])


def _install(suite: str, root: Path, deadline: Deadline) -> None:
    argv: list[str | Path] = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    argv += [f"--keyring={KEYRING}", '--aptopt=APT::Install-Recommends "false"']
    argv += ['--aptopt=Acquire::Check-Valid-Until "false"', "--dpkgopt=force-unsafe-io"]
    argv += [f"--dpkgopt=path-exclude=/usr/share/{words}" for words in _UNUSED]
    process.run([*argv, suite, root, f"deb {mirror()} {suite} main"], deadline=deadline)


def _python(root: Path, deadline: Deadline) -> str:
    ask = "import sys; print('{}.{}'.format(*sys.version_info))"
    return process.run(["chroot", root, "python3", "-c", ask], deadline=deadline).stdout.decode().strip()


def _requirements() -> list[str]:
    """What the project needs of Python, and its quick tests, as ``pyproject.toml`` says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tests = [text for text in project["optional-dependencies"]["dev"] if text.startswith(_OF_TESTS)]
    return [*project["dependencies"], *tests]


def _add_python_packages(python: str, root: Path, deadline: Deadline) -> None:
    wheels = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    for glibc in (12, 17, 28, 34):
        wheels += ["--platform", f"manylinux_2_{glibc}_x86_64"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    process.run([*pip, *wheels, "--target", root / SITE, *_requirements()], deadline=deadline)
