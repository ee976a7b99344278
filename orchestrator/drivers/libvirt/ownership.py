"""Ownership of machines on a libvirt daemon, and the daemons isolab has used.

A daemon may serve many controllers: each removes only what carries its own tag.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from orchestrator.drivers.libvirt.connection import installed
from orchestrator.host.cache import write_atomically
from orchestrator.labfile.libvirt_uri import SYSTEM, Uri, parse
from orchestrator.paths import state_dir

_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")


def place(scratch: Path) -> str:
    """Return a short name for this controller, user and scratch folder; pure within one host."""
    try:
        machine = Path("/etc/machine-id").read_text().strip()  # machine-id(5)
    except OSError:
        machine = ""
    words = "\0".join([machine, platform.node(), str(os.getuid()), str(scratch)])
    return hashlib.sha256(words.encode()).hexdigest()[:10]


def remembered_file() -> Path:
    """Return the file that lists the daemons used, one URI per line."""
    return state_dir() / "libvirt-uris"


def remember(uri: Uri) -> None:
    """Record that a daemon is about to be used. Of two concurrent writers one may lose its entry,
    which the journal still has."""
    known = [known.text for known in remembered()]
    if uri.text not in known:
        write_atomically(remembered_file(), "".join(f"{text}\n" for text in [*known, uri.text]).encode())


def remembered() -> list[Uri]:
    """Return the daemons used."""
    try:
        texts = remembered_file().read_text().split()
    except OSError:
        return []
    return [parse(text) for text in texts]


def daemons() -> list[Uri]:
    """Return the daemons that may hold isolab's objects: those used, and the system's if it runs and
    this user may use it. Without libvirt-python it was never used from here, unless it is remembered."""
    known, system = remembered(), parse(SYSTEM)
    runs = any(Path(path).exists() for path in _SOCKETS)
    if os.getuid() == 0 and system not in known and runs and installed():
        known.append(system)
    return known
