"""Where a class keeps things: beside its file what people read, the rest in the state folder."""

from __future__ import annotations

from pathlib import Path

from orchestrator.classes.model import LoadedClass
from orchestrator.host.cache import digest
from orchestrator.paths import make_folder, state_dir

HANDOUTS, COLLECTED, HANDED_IN, GRADES = "handouts", "collected", "handed-in", "grades"
"""Folders beside the class file."""
HOMES, GATEWAY, WEB = "homes", "gateway", "web"
"""Folders in the class's state folder."""
DATABASE = "class.db"


def class_state(found: LoadedClass) -> Path:
    """Return the class's folder in the state folder, made if necessary: homes, keys, tokens. Classes of the
    same name in two places have their own. Raises Unavailable."""
    folder = state_dir() / "classes" / f"{found.name}-{digest(str(found.file.resolve()))[:8]}"
    make_folder(folder, 0o700, exist_ok=True)
    return folder


def home_image(found: LoadedClass, seat: str, machine: str) -> Path:
    """Return the file that holds a seat's home folder on one of its machines."""
    return class_state(found) / HOMES / seat / f"{machine}.img"
