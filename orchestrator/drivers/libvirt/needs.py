"""Host packages for libvirt machines: a daemon or access to a remote one, and libvirt-python."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

from orchestrator.arch import host_arch
from orchestrator.drivers.guest import vde
from orchestrator.drivers.libvirt.connection import installed
from orchestrator.host.packages import SSH, Need, program, qemu_need
from orchestrator.labfile.libvirt_uri import default_uri, parse
from orchestrator.labfile.models import Machine


def _header(name: str) -> Callable[[], bool]:
    return lambda: any((Path(prefix) / name).exists() for prefix in ("/usr/include", "/usr/local/include"))


def _python_header() -> bool:
    return (Path(sysconfig.get_path("include")) / "Python.h").exists()


LIBVIRTD = Need(
    "libvirtd",
    lambda: bool(shutil.which("libvirtd") or shutil.which("virtqemud")),
    ("libvirt-daemon-system",),
)
LIBVIRT_PYTHON = Need(
    "libvirt-python", installed, (), pip="libvirt-python>=9", lock="requirements/libvirt.txt"
)
LIBVIRT_HEADERS = (
    Need("pkg-config", program("pkg-config"), ("pkg-config",)),
    Need("a C compiler", program("gcc"), ("gcc",)),
    Need("libvirt's headers", _header("libvirt/libvirt.h"), ("libvirt-dev",)),
    Need("Python's headers", _python_header, ("python3-dev",)),
)
"""Packages that pip needs to build libvirt-python, which has no wheels."""


def needs(machine: Machine) -> list[Need]:
    """Return the needs: the daemon and an emulator, unless on another host; libvirt-python; and the
    network switch for a session."""
    uri = parse(machine.uri or default_uri())
    daemon = [LIBVIRTD, qemu_need(machine.arch or host_arch().name)]
    daemon += [vde.NEED] if machine.networks and uri.session else []
    found = [SSH] if uri.remote else daemon
    return found if installed() else [*found, *LIBVIRT_HEADERS, LIBVIRT_PYTHON]
