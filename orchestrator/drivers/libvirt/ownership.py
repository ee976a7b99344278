"""Whose a machine on a libvirt daemon is, and which daemons we ever used.

A daemon may serve many controllers: only what carries our own place is ours to remove.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from orchestrator.host.cache import write_atomically
from orchestrator.labfile.libvirt_uri import SYSTEM, Uri, parse
from orchestrator.paths import state_dir

_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")


def place(scratch: Path) -> str:
    """A short name for this controller, user and scratch folder; pure within one host."""
    try:
        machine = Path("/etc/machine-id").read_text().strip()  # machine-id(5)
    except OSError:
        machine = ""
    words = "\0".join([machine, platform.node(), str(os.getuid()), str(scratch)])
    return hashlib.sha256(words.encode()).hexdigest()[:10]


def remembered_file() -> Path:
    """Where the daemons we used are written down, a URI a line."""
    return state_dir() / "libvirt-uris"


def remember(uri: Uri) -> None:
    """Write down that we are about to use a daemon. Two at once may forget one of theirs, which
    the journal still knows."""
    known = [known.text for known in remembered()]
    if uri.text not in known:
        write_atomically(remembered_file(), "".join(f"{text}\n" for text in [*known, uri.text]).encode())


def remembered() -> list[Uri]:
    """The daemons we used."""
    try:
        texts = remembered_file().read_text().split()
    except OSError:
        return []
    return [parse(text) for text in texts]


def daemons() -> list[Uri]:
    """The daemons that may hold something of ours: those we used, and the system's if it runs and
    we are its user."""
    known, system = remembered(), parse(SYSTEM)
    if os.getuid() == 0 and system not in known and any(Path(path).exists() for path in _SOCKETS):
        known.append(system)
    return known
