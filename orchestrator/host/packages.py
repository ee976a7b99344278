"""Programs of this host that something needs, and the packages they come in. Nothing is installed here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.arch import ARCHITECTURES


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


def program(name: str) -> Callable[[], bool]:
    """Whether a program is on PATH, asked anew each time: an installation changes the answer."""
    return lambda: shutil.which(name) is not None


SSH = Need("ssh", program("ssh"), ("openssh-client",))
XORRISO = Need("xorriso", program("xorrisofs"), ("xorriso",))


def qemu_need(arch: str) -> Need:
    """The emulator of one architecture, by Debian's name."""
    name, packages = ARCHITECTURES[arch].qemu, ARCHITECTURES[arch].qemu_packages
    return Need(name, program(name), packages)
