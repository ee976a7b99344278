"""A class as it was at its last ``up``: what goes on while its file or its roster is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

from orchestrator.classes.load import KEPT_ROSTER, class_file, load_class
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import class_state, class_states
from orchestrator.classes.recognise import CLASS_FILE
from orchestrator.errors import SpecError, from_os
from orchestrator.host.cache import write_atomically
from orchestrator.paths import make_folder
from orchestrator.submissions.roster_keys import KEYS_FOLDER

KEPT = "last-good"


def keep(found: LoadedClass) -> None:
    """Keep the class file, the roster and the files of keys that belong to it, as they are. Raises
    Unavailable, LabError."""
    roster = found.folder / found.spec.roster
    kept = class_state(found) / KEPT
    make_folder(kept, 0o700, exist_ok=True)
    make_folder(kept / KEYS_FOLDER, 0o700, exist_ok=True)
    names = {member.github for seat in found.seats for member in seat.members if member.github}
    try:
        write_atomically(kept / KEPT_ROSTER, roster.read_bytes())
        write_atomically(kept / CLASS_FILE, found.file.read_bytes())
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                keys = Path(KEYS_FOLDER) / f"{name}.keys"
                write_atomically(kept / keys, (roster.parent / keys).read_bytes())
    except OSError as problem:
        raise from_os(problem) from None


def last_good(path: Path) -> LoadedClass | None:
    """Return the class at ``path`` as it was kept last; None if there is no such class, it was never up, or
    its labs are wrong too."""
    try:
        file = class_file(path)
        kept = [state / KEPT for state in class_states(file) if (state / KEPT / CLASS_FILE).is_file()]
        newest = max(kept, key=lambda one: (one / CLASS_FILE).stat().st_mtime, default=None)
        return load_class(file, kept=newest) if newest is not None else None
    except SpecError:
        return None
