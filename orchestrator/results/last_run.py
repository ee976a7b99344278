"""Which run ``last`` means: the one whose records were written most recently, wherever it lies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.host.cache import write_atomically
from orchestrator.paths import state_dir
from orchestrator.record import RECORDS

LAST = "last"
RUNS = Path("runs")


def remember(folder: Path) -> None:
    """Note where a run was written to. A note that cannot be kept is no loss: the run is there."""
    with contextlib.suppress(OSError):
        write_atomically(_note(), bytes(folder.absolute()))


def find_run(written: str) -> Path:
    """The run that ``written`` names: ``last``, or a path. Raises SpecError if there is no last run."""
    path = Path(written)
    if written != LAST or path.exists():
        return path
    found = {folder: when for folder in _known() if (when := _written(folder)) is not None}
    if not found:
        raise SpecError("there is no last run", hint="`isolab run LAB` makes one; older ones lie in runs/")
    return max(found, key=lambda folder: found[folder])


def _known() -> Iterator[Path]:
    """The runs in the current folder, and the one noted: it may lie elsewhere, or be gone."""
    yield from (file.parent for file in RUNS.glob(f"*/{RECORDS}"))
    with contextlib.suppress(OSError):
        yield Path(_note().read_bytes().decode(errors="surrogateescape"))


def _written(folder: Path) -> float | None:
    try:
        return (folder / RECORDS).stat().st_mtime
    except OSError:
        return None


def _note() -> Path:
    return state_dir() / "last-run"
