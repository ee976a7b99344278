"""``grades.csv`` of an earlier grading, kept when rows of it are not in the new one."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from orchestrator.formatting import counted
from orchestrator.host.cache import write_atomically

GRADES = "grades.csv"
BEFORE = "grades.before.csv"
"""The last ``grades.csv`` that had rows which the next one did not have."""


def keep_rows(folder: Path, new: bytes) -> tuple[str, ...]:
    """Keep ``grades.csv`` as it is before the ``new`` one replaces it, if a row of a student and an exercise
    goes; returns a line that says so. Raises OSError."""
    path = folder / GRADES
    if not path.is_file():
        return ()
    old = path.read_bytes()
    gone = _rows(old) - _rows(new)
    if not gone:
        return ()
    write_atomically(folder / BEFORE, old)
    return (f"{counted(len(gone), 'row')} of {GRADES} not in the new one: the old one is {BEFORE}",)


def _rows(data: bytes) -> set[tuple[str, str]]:
    """Return the students and exercises that have a row."""
    rows = csv.DictReader(io.StringIO(data.decode(errors="replace"), newline=""))
    return {(row.get("id") or "", row.get("exercise") or "") for row in rows}
