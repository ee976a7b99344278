"""Programs of the host that the work at hand needs, and the packages they come in.

Missing ones are installed by apt-get when we may (root, or sudo without a password); else the one
line to type is in the error. For hosts with another package manager the error says what is missing,
and what Debian calls it.
"""

from __future__ import annotations

import importlib
import os
import platform
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.deadline import Deadline
from orchestrator.debian.mirror import KEYRING
from orchestrator.drivers.container.engine import docker_answers, legacy_cgroups
from orchestrator.drivers.libvirt.connection import installed as libvirt_installed
from orchestrator.errors import LabError, Unavailable
from orchestrator.host import process
from orchestrator.host.process import ProcessFailed
from orchestrator.host.qemu_user import emulator_name, emulator_path
from orchestrator.labfile.image_recipe import KINDS, Recipe
from orchestrator.labfile.libvirt_uri import default_uri, parse
from orchestrator.labfile.models import Boundary, Machine, boundary_of
from orchestrator.paths import IN_CHECKOUT, ROOT
from orchestrator.progress import Progress

INSTALL_SECONDS = 900.0


@dataclass(frozen=True)
class Need:
    """Something of the host. ``apt`` are alternatives, the first that exists is taken; ``pip`` is
    for what comes from there instead, after all the rest, and ``lock`` the file in a checkout that
    pins it."""

    what: str
    present: Callable[[], bool]
    apt: tuple[str, ...]
    pip: str = ""
    lock: str = ""


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _docker_is_here() -> bool:
    """A client with a daemon: one that answers, or one that could be started."""
    return bool(shutil.which("docker") and (docker_answers() or shutil.which("dockerd")))


def _header(name: str) -> Callable[[], bool]:
    return lambda: any((Path(prefix) / name).exists() for prefix in ("/usr/include", "/usr/local/include"))


def _python_header() -> bool:
    return (Path(sysconfig.get_path("include")) / "Python.h").exists()


GPGV = Need("gpgv", _program("gpgv"), ("gpgv",))
KEYS = Need("Debian's archive keys", KEYRING.exists, ("debian-archive-keyring",))
VDE = Need("vde_switch", _program("vde_switch"), ("vde2",))
IP = Need("ip", _program("ip"), ("iproute2",))
SSH = Need("ssh", _program("ssh"), ("openssh-client",))
MKE2FS = Need(
    "mke2fs",
    lambda: shutil.which("mke2fs", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is not None,
    ("e2fsprogs",),
)
XORRISO = Need("xorriso", _program("xorrisofs"), ("xorriso",))
QEMU_IMG = Need("qemu-img", _program("qemu-img"), ("qemu-utils",))
SSHD = Need("sshd", Path("/usr/sbin/sshd").exists, ("openssh-server",))
LIBVIRTD = Need(
    "libvirtd",
    lambda: bool(shutil.which("libvirtd") or shutil.which("virtqemud")),
    ("libvirt-daemon-system",),
)
LIBVIRT_PYTHON = Need(
    "libvirt-python", libvirt_installed, (), pip="libvirt-python>=9", lock="requirements/libvirt.txt"
)
LIBVIRT_HEADERS = (
    Need("pkg-config", _program("pkg-config"), ("pkg-config",)),
    Need("a C compiler", _program("gcc"), ("gcc",)),
    Need("libvirt's headers", _header("libvirt/libvirt.h"), ("libvirt-dev",)),
    Need("Python's headers", _python_header, ("python3-dev",)),
)
"""What pip builds libvirt-python with: there are no wheels of it."""
MMDEBSTRAP = Need("mmdebstrap", _program("mmdebstrap"), ("mmdebstrap",))
DOCKER = Need("docker", _docker_is_here, ("docker.io",))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""Names of a browser that the tests of the HTML report can drive."""
CHROMIUM = Need("chromium", lambda: any(map(shutil.which, BROWSERS)), ("chromium",))
UIDMAP = Need("newuidmap", _program("newuidmap"), ("uidmap",))


def needs_of(machines: Iterable[Machine]) -> list[Need]:
    """What these machines need of the host, beyond Python, images' needs first."""
    needs = {GPGV.what: GPGV, KEYS.what: KEYS}
    for machine in machines:
        if machine.driver == "qemu":
            arch = ARCHITECTURES[machine.arch] if machine.arch else host_arch()
            needs[arch.qemu] = qemu_need(arch.name)
            if machine.networks:
                needs[VDE.what] = VDE
        elif machine.driver == "libvirt":
            for need in libvirt_needs(machine):
                needs[need.what] = need
        elif machine.driver == "process" and boundary_of(machine) is Boundary.USER_EMULATION:
            need = user_emulator_need(machine.arch or "")
            needs[need.what] = need
        elif machine.driver == "virtualbox":  # itself, with a kernel driver, is for people to install
            needs[XORRISO.what] = XORRISO
        elif machine.driver == "container":
            for need in [*engine_needs(machine.engine), *([IP] if machine.networks else [])]:
                needs[need.what] = need
    return list(needs.values())


def image_needs(recipe: Recipe, arch: str) -> list[Need]:
    """What building an image of this architecture needs, and machines made of it."""
    if not recipe.disk:
        return []
    kind, programs = KINDS[recipe.kind], {need.what: need for need in (MKE2FS, XORRISO)}
    needs = [QEMU_IMG, qemu_need(arch), *(programs[name] for name in kind.programs)]
    return [*needs, *(_firmware_need(ARCHITECTURES[arch].firmware) if kind.by_cloud_init else ())]


def _firmware_need(path: str) -> list[Need]:
    if not path:
        return []
    return [Need("UEFI firmware", Path(path).exists, ("qemu-efi-aarch64",))]


def qemu_need(arch: str) -> Need:
    """The emulator of one architecture."""
    about = ARCHITECTURES[arch]
    name = about.qemu
    return Need(name, _program(name), about.qemu_packages)


def user_emulator_need(arch: str) -> Need:
    """The emulator of single programs of one architecture."""
    about = ARCHITECTURES[arch]
    return Need(
        emulator_name(about),
        lambda: emulator_path(about) is not None,
        ("qemu-user",),
    )


def libvirt_needs(machine: Machine) -> list[Need]:
    """The daemon and an emulator, unless they are another host's; and libvirt-python. A session's
    networks are switches of ours."""
    uri = parse(machine.uri or default_uri())
    daemon = [LIBVIRTD, qemu_need(machine.arch or host_arch().name)]
    daemon += [VDE] if machine.networks and uri.session else []
    needs = [SSH] if uri.remote else daemon
    return needs if libvirt_installed() else [*needs, *LIBVIRT_HEADERS, LIBVIRT_PYTHON]


def engine_needs(engine: str = "auto") -> list[Need]:
    """A container engine, with the low-level runtime that suits the host's cgroups.

    Podman as an ordinary user also needs the program that gives it user ids (newuidmap(1)).
    """
    if engine == "docker":
        return [DOCKER]
    answers = _program("podman") if engine == "podman" else _engine_answers
    needs = [Need("podman", answers, ("podman",))]
    if shutil.which("podman") or not answers():
        legacy = legacy_cgroups()
        present = _program("runc") if legacy else _either_runtime
        runtime = "runc" if legacy else "crun"
        needs.append(Need(runtime, present, (runtime,)))
        if os.getuid() != 0 and platform.system() == "Linux":
            needs.append(UIDMAP)
    return needs


def _engine_answers() -> bool:
    """Asked anew each time: an installation changes the answer."""
    return bool(shutil.which("podman") or (shutil.which("docker") and docker_answers()))


def _either_runtime() -> bool:
    return bool(shutil.which("crun") or shutil.which("runc"))


def missing(needs: Iterable[Need]) -> list[Need]:
    """The needs this host does not meet."""
    return [need for need in needs if not need.present()]


def install_line(needs: Sequence[Need], deadline: Deadline) -> list[str]:
    """The command that installs them; [] for hosts without apt-get."""
    if not shutil.which("apt-get"):
        return []
    names = [_apt_name(need, deadline) for need in needs]
    return ["apt-get", "install", "-y", "--no-install-recommends", *dict.fromkeys(names)]


def in_words(needs: Sequence[Need]) -> str:
    """What to install where we cannot: by the names Debian has for it."""
    names = ", ".join(dict.fromkeys(need.apt[0] for need in needs if need.apt))
    return f"isolab installs by apt-get only; by this host's own means, install what Debian has in {names}"


def _apt_name(need: Need, deadline: Deadline) -> str:
    for name in need.apt[:-1]:
        if process.run(["apt-cache", "show", name], deadline=deadline.within(30), check=False).stdout.strip():
            return name
    return need.apt[-1]


def ensure(needs: Sequence[Need], progress: Progress, deadline: Deadline) -> None:
    """Install what is missing. Raises Unavailable with the line to type when we may not."""
    absent = missing(needs)
    _ensure_packages([need for need in absent if not need.pip], progress, deadline)
    _ensure_modules([need for need in absent if need.pip], progress, deadline)


def _ensure_modules(absent: Sequence[Need], progress: Progress, deadline: Deadline) -> None:
    """Install Python packages into the environment we run in."""
    if not absent:
        return
    names = ", ".join(need.what for need in absent)
    wanted = [word for need in absent for word in _for_pip(need)]
    # -P: not the pip of the folder we stand in, which may be a student's.
    argv = [sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check", "-q", *wanted]
    progress.doing("Python packages", f"installing {names}", 30)
    try:
        process.run(argv, deadline=deadline.within(INSTALL_SECONDS))
    except ProcessFailed as problem:
        line = shlex.join(argv)
        raise Unavailable(f"{names} cannot be installed: {problem.message}", hint=f"type: {line}") from None
    importlib.invalidate_caches()
    still = missing(absent)
    if still:
        raise Unavailable(f"still missing after `{shlex.join(argv)}`: {', '.join(n.what for n in still)}")
    progress.done("Python packages", f"installed {names}")


def _for_pip(need: Need) -> list[str]:
    """What to ask of pip: in a checkout the locked version, by its hash."""
    if IN_CHECKOUT and need.lock:
        return ["--require-hashes", "--requirement", str(ROOT / need.lock)]
    return [need.pip]


def _ensure_packages(absent: Sequence[Need], progress: Progress, deadline: Deadline) -> None:
    if not absent:
        return
    names = ", ".join(need.what for need in absent)
    line = install_line(absent, deadline)
    if not line:
        raise Unavailable(f"this host lacks {names}", hint=in_words(absent))
    rights = _rights(deadline)
    if rights is None:
        raise Unavailable(f"this host lacks {names}", hint=f"type: sudo {' '.join(line)}")
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        progress.doing("system packages", "reading package lists", 10)
        _install([*rights, "apt-get", "update"], deadline)
        line = install_line(absent, deadline)
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


def _rights(deadline: Deadline) -> list[str] | None:
    """How to become root: already so, sudo without a password, or not at all."""
    if os.getuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    allowed = process.run(["sudo", "-n", "true"], deadline=deadline.within(10), check=False).code == 0
    return ["sudo", "-n"] if allowed else None


def _install(argv: Sequence[str], deadline: Deadline) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    process.run(argv, deadline=deadline.within(INSTALL_SECONDS), env=env)
