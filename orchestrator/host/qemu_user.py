"""QEMU's user-mode emulator: a program of another architecture on this host's own kernel.

It translates instructions and system calls of one process (qemu-user(1), docs/user/main.rst of
QEMU); there is no machine, no other kernel and no boundary. Programs are started as its
arguments, so nothing needs to be registered with the kernel (binfmt_misc).
"""

from __future__ import annotations

import shutil

from orchestrator.arch import Arch
from orchestrator.errors import Unavailable
from orchestrator.host.packages import Need

_OTHER_NAMES = {"ppc64el": "qemu-ppc64le"}
"""Names that differ from the whole-system emulator's, which handles both byte orders."""


def emulator_name(arch: Arch) -> str:
    """The program's name without ``-static``, which Debian appends to its static build."""
    return _OTHER_NAMES.get(arch.name, arch.qemu.replace("qemu-system-", "qemu-"))


def emulator_path(arch: Arch) -> str | None:
    """The emulator's path on this host; None if it is not installed."""
    name = emulator_name(arch)
    return shutil.which(name) or shutil.which(f"{name}-static")


def require_emulator(arch: Arch) -> str:
    """The emulator's path. Raises Unavailable."""
    found = emulator_path(arch)
    if found is None:
        raise Unavailable(
            f"{emulator_name(arch)} is not installed: {arch.name} programs need it to run on this kernel",
            hint="install the package qemu-user",
        )
    return found


def emulator_need(arch: Arch) -> Need:
    """The emulator as a requirement of the host."""
    return Need(
        emulator_name(arch),
        lambda: emulator_path(arch) is not None,
        ("qemu-user",),
    )
