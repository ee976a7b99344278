"""Where a class keeps things: beside its file what people read, the rest in the state folder."""

from __future__ import annotations

from pathlib import Path

from orchestrator import ownership
from orchestrator.classes.model import LoadedClass
from orchestrator.host.cache import digest
from orchestrator.paths import make_folder, state_dir

HANDOUTS, COLLECTED, HANDED_IN, GRADES = "handouts", "collected", "handed-in", "grades"
"""Folders beside the class file."""
HOMES, GATEWAY, WEB = "homes", "gateway", "web"
"""Folders in the class's state folder."""
DATABASE = "class.db"
CLASSES = "classes"
"""The folder in the state folder that has one for each class."""


def class_state(found: LoadedClass) -> Path:
    """Return the class's folder in the state folder, made if necessary: homes, keys, tokens. Classes of the
    same name in two places have their own. Raises Unavailable."""
    folder = state_dir() / CLASSES / f"{found.name}-{_place(found.file)}"
    make_folder(folder, 0o700, exist_ok=True)
    return folder


def class_states(file: Path) -> list[Path]:
    """Return the folders in the state folder of classes with this file: several if its name was changed."""
    return sorted((state_dir() / CLASSES).glob(f"*-{_place(file)}"))


def class_key(found: LoadedClass) -> str:
    """Return what other hosts call this class: classes of other controllers, or in other places, have
    another."""
    return f"{found.name}-{digest(str(found.file.resolve()), ownership.token(state_dir()))[:10]}"


def _place(file: Path) -> str:
    return digest(str(file.resolve()))[:8]


def home_image(found: LoadedClass, seat: str, machine: str) -> Path:
    """Return the file that holds a seat's home folder on one of its machines."""
    return class_state(found) / HOMES / seat / f"{machine}.img"
