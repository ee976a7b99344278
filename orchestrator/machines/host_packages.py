"""Programs a command needs on the host, and how to install them.

Missing ones are installed by apt-get if permitted (root, or passwordless sudo); otherwise the error
contains the command to run. For hosts with another package manager the error names what is missing,
and its Debian package.
"""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator import drivers
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.debian.mirror import KEYRING
from orchestrator.drivers.base import NeedsPackages
from orchestrator.errors import HostLacks, Interrupted, LabError, Unavailable
from orchestrator.formatting import counted
from orchestrator.host import process
from orchestrator.host.packages import XORRISO, Need, program, qemu_need
from orchestrator.host.process import ProcessFailed
from orchestrator.labfile.image_recipe import KINDS, Recipe
from orchestrator.labfile.models import Machine
from orchestrator.paths import IN_CHECKOUT, ROOT
from orchestrator.progress import Progress

INSTALL_SECONDS = 900.0

GPGV = Need("gpgv", program("gpgv"), ("gpgv",))
KEYS = Need(
    "Debian's archive keys",
    KEYRING.exists,
    ("debian-archive-keyring",),
)
MKE2FS = Need(
    "mke2fs",
    lambda: shutil.which("mke2fs", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is not None,
    ("e2fsprogs",),
)
QEMU_IMG = Need("qemu-img", program("qemu-img"), ("qemu-utils",))
SSHD = Need("sshd", Path("/usr/sbin/sshd").exists, ("openssh-server",))
MMDEBSTRAP = Need("mmdebstrap", program("mmdebstrap"), ("mmdebstrap",))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""Browsers that the tests of the HTML report can drive."""
CHROMIUM = Need(
    "chromium",
    lambda: any(map(shutil.which, BROWSERS)),
    ("chromium",),
)


def needs_of(machines: Iterable[Machine]) -> list[Need]:
    """Return what these machines need of the host besides Python, needs of images first."""
    needs = {GPGV.what: GPGV, KEYS.what: KEYS}
    for machine in machines:
        driver = drivers.load(machine.driver)
        if isinstance(driver, NeedsPackages):
            needs |= {need.what: need for need in driver.needs(machine)}
    return list(needs.values())


def usual_needs() -> list[Need]:
    """Return the needs of containers and of QEMU machines of every architecture, which most labs use."""
    guests = [Machine(driver="qemu", arch=name) for name in ARCHITECTURES]
    return needs_of([Machine(driver="container"), *guests])


def image_needs(recipe: Recipe, arch: str) -> list[Need]:
    """Return what building and running an image of this architecture needs."""
    if not recipe.disk:
        return []
    kind, programs = KINDS[recipe.kind], {need.what: need for need in (MKE2FS, XORRISO)}
    needs = [QEMU_IMG, qemu_need(arch), *(programs[name] for name in kind.programs)]
    return [*needs, *(_firmware_need(ARCHITECTURES[arch].firmware) if kind.by_cloud_init else ())]


def _firmware_need(path: str) -> list[Need]:
    if not path:
        return []
    return [Need("UEFI firmware", Path(path).exists, ("qemu-efi-aarch64",))]


def missing(needs: Iterable[Need]) -> list[Need]:
    """Return the needs this host does not meet."""
    return [need for need in needs if not need.present()]


def install_line(needs: Sequence[Need], deadline: Deadline) -> list[str]:
    """Return the command that installs them; [] for hosts without apt-get."""
    if not shutil.which("apt-get"):
        return []
    names = [_apt_name(need, deadline) for need in needs]
    return ["apt-get", "install", "-y", "--no-install-recommends", *dict.fromkeys(names)]


def line_to_type(needs: Sequence[Need], deadline: Deadline) -> str:
    """Return the command that installs them as a user types it, with sudo unless they are root; "" for
    hosts without apt-get."""
    line = " ".join(install_line(needs, deadline))
    return f"sudo {line}" if line and os.getuid() != 0 else line


def in_words(needs: Sequence[Need]) -> str:
    """Describe what to install on hosts without apt-get, by Debian's package names."""
    names = ", ".join(dict.fromkeys(need.apt[0] for need in needs if need.apt))
    return f"isolab can only use apt-get; install the equivalents of these Debian packages: {names}"


def _apt_name(need: Need, deadline: Deadline) -> str:
    for name in need.apt[:-1]:
        if process.run(["apt-cache", "show", name], deadline=deadline.within(30), check=False).stdout.strip():
            return name
    return need.apt[-1]


def ensure(needs: Sequence[Need], progress: Progress, deadline: Deadline) -> None:
    """Install what is missing. Raises Unavailable with the command to run if not permitted."""
    absent = missing(needs)
    _ensure_packages([need for need in absent if not need.pip], progress, deadline)
    _ensure_modules([need for need in absent if need.pip], progress, deadline)


def ensure_each(needs: Sequence[Need], deadline: Deadline) -> dict[str, LabError]:
    """Install what is missing one by one, after installing all at once failed: one package that cannot be
    installed must not keep the others away. Returns the errors by what is missing. Raises Interrupted."""
    problems: dict[str, LabError] = {}
    rights = _rights(deadline) or []
    for need in missing(needs):
        try:
            if not need.pip:
                _install([*rights, *install_line([need], deadline)], deadline)
        except Interrupted:
            raise
        except LabError as problem:
            problems[need.what] = problem
        if not need.present():
            problems.setdefault(need.what, Unavailable(f"{need.what} cannot be installed"))
    return problems


def may_install(deadline: Deadline) -> bool:
    """Return whether isolab can install packages here: with apt-get, as root or by passwordless sudo."""
    return shutil.which("apt-get") is not None and _rights(deadline) is not None


def _ensure_modules(absent: Sequence[Need], progress: Progress, deadline: Deadline) -> None:
    """Install Python packages into the current environment."""
    if not absent:
        return
    names = ", ".join(need.what for need in absent)
    wanted = [word for need in absent for word in _for_pip(need)]
    # -P: never a pip from the current folder, which may be a student's.
    argv = [sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check", "-q", *wanted]
    progress.doing("Python packages", f"installing {names}", 30)
    try:
        process.run(argv, deadline=deadline.within(INSTALL_SECONDS))
    except ProcessFailed as problem:
        line = shlex.join(argv)
        raise Unavailable(f"cannot install {names}: {problem.message}", hint=f"run: {line}") from None
    importlib.invalidate_caches()
    still = missing(absent)
    if still:
        raise Unavailable(f"still missing after `{shlex.join(argv)}`: {', '.join(n.what for n in still)}")
    progress.done("Python packages", f"installed {names}")


def _for_pip(need: Need) -> list[str]:
    """Return pip's requirement: in a checkout the locked version, by hash."""
    if IN_CHECKOUT and need.lock:
        return ["--require-hashes", "--requirement", str(ROOT / need.lock)]
    return [need.pip]


def _ensure_packages(absent: Sequence[Need], progress: Progress, deadline: Deadline) -> None:
    if not absent:
        return
    names = ", ".join(need.what for need in absent)
    line = install_line(absent, deadline)
    if not line:
        raise HostLacks(f"this host lacks {names}", hint=in_words(absent))
    rights = _rights(deadline)
    if rights is None:
        raise HostLacks(f"this host lacks {names}", hint=f"run: {line_to_type(absent, deadline)}")
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        progress.doing("system packages", "reading package lists", 10)
        _install([*rights, "apt-get", "update"], deadline)
        line = install_line(absent, deadline)
    progress.tell(_announcement(names, rights, line, deadline))
    progress.doing("system packages", f"installing {names}", 15 + 5 * len(absent))
    try:
        _install([*rights, *line], deadline)
    except LabError:
        # Old package lists name files the mirror no longer has.
        _install([*rights, "apt-get", "update"], deadline)
        _install([*rights, *install_line(absent, deadline)], deadline)
    still = missing(absent)
    if still:
        raise Unavailable(f"still missing after `{' '.join(line)}`: {', '.join(n.what for n in still)}")
    progress.done("system packages", f"installed {names}")


def _announcement(names: str, rights: Sequence[str], line: Sequence[str], deadline: Deadline) -> str:
    """Say what is about to be installed on this computer, how much of it, and by which rights."""
    how = "apt-get, through sudo" if rights else "apt-get, as root"
    # apt-get(8): one line for each file, with its address, name, size in bytes and hash.
    listing = process.run([*line, "-qq", "--print-uris"], deadline=deadline.within(60), check=False)
    lines = [one.split() for one in listing.stdout.decode(errors="replace").splitlines()]
    sizes = [int(words[2]) for words in lines if len(words) > 2 and words[2].isdecimal()]
    much = f" ({counted(len(sizes), 'package')}, {sum(sizes) / 1e6:.0f} MB to download)" if sizes else ""
    return f"installing {names} on this computer with {how}{much}"


def _rights(deadline: Deadline) -> list[str] | None:
    """Return the command prefix to run as root: empty, passwordless sudo, or None if not permitted."""
    if os.getuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    allowed = process.run(["sudo", "-n", "true"], deadline=deadline.within(10), check=False).code == 0
    return ["sudo", "-n"] if allowed else None


def _install(argv: Sequence[str], deadline: Deadline) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    process.run(argv, deadline=deadline.within(INSTALL_SECONDS), env=env)
