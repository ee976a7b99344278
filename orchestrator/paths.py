"""Paths isolab uses on the controller, and the settings from the environment.

``ISOLAB_CACHE``, ``ISOLAB_STATE``, ``ISOLAB_SCRATCH`` and ``ISOLAB_MIRROR`` override the
defaults from the XDG base directory specification and the host's apt configuration.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from orchestrator.errors import Unavailable

_PACKAGE = Path(__file__).resolve().parent
_PACKAGE_DATA = _PACKAGE / "package_data"
"""Exists only in an installed wheel: the build puts there what is next to the package in a checkout."""

IN_CHECKOUT = not _PACKAGE_DATA.is_dir()
"""Whether we run from a source checkout rather than an installed wheel."""
ROOT = _PACKAGE.parent if IN_CHECKOUT else _PACKAGE_DATA
"""The folder with ``labs/``, ``images/`` and ``tasks.py``; never written to."""
LABS = ROOT / "labs"
EXERCISES = LABS / "exercises"
RECIPES = ROOT / "images"
GUEST_SOURCES = RECIPES / "guest"
HOST_SOURCES = RECIPES / "host"


def cache_dir() -> Path:
    """Return the folder for downloads, images, toolchains and compiled programs; all can be rebuilt."""
    return _home("ISOLAB_CACHE", "XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """Return the folder for the journal and what was detected about this host."""
    return _home("ISOLAB_STATE", "XDG_STATE_HOME", ".local/state")


def scratch_dir() -> Path:
    """Return the folder for machines' sockets and working files: a short path, as UNIX sockets' end at 108.

    Raises Unavailable if others own the folder or may write to it.
    """
    chosen = os.environ.get("ISOLAB_SCRATCH")
    path = Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"isolab-{os.getuid()}"
    path.mkdir(mode=0o711, parents=True, exist_ok=True)
    about = path.lstat()
    if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode) or about.st_mode & 0o022:
        raise Unavailable(
            f"{path} is not a folder that only this user can write to",
            hint="remove it, or set ISOLAB_SCRATCH to another folder",
        )
    return path


def _home(variable: str, xdg: str, default: str) -> Path:
    if chosen := os.environ.get(variable):
        path = Path(chosen)
    else:
        path = Path(os.environ.get(xdg) or Path.home() / default) / "isolab"
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path
