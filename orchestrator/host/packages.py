"""Programs that this host needs, and the packages that contain them. Nothing is installed here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.arch import ARCHITECTURES


@dataclass(frozen=True)
class Need:
    """A requirement of the host. ``apt`` lists alternatives, of which the first that exists is taken;
    ``pip`` is for a package installed by pip instead, after all others, and ``lock`` is the file in a
    checkout that pins it."""

    what: str
    present: Callable[[], bool]
    apt: tuple[str, ...]
    pip: str = ""
    lock: str = ""


def program(name: str) -> Callable[[], bool]:
    """Return a test whether a program is on PATH, evaluated at each call: it may have been installed."""
    return lambda: shutil.which(name) is not None


SSH = Need("ssh", program("ssh"), ("openssh-client",))
XORRISO = Need("xorriso", program("xorrisofs"), ("xorriso",))


def qemu_need(arch: str) -> Need:
    """The emulator of one architecture, by Debian's name."""
    name, packages = ARCHITECTURES[arch].qemu, ARCHITECTURES[arch].qemu_packages
    return Need(name, program(name), packages)
