"""Seats that come up for the first time, with a fresh home folder, and what speaks against that."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.classes.home_files import HomeFiles
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.paths import COLLECTED

MOST_NAMED = 10


def told_of_new(found: LoadedClass, seats: Sequence[Seat]) -> list[str]:
    """Return in words which of these seats have no home folder yet, in a class that has some; nothing at its
    first ``up``. To be asked before machines are brought up. Raises Unavailable."""
    there = HomeFiles(found).seats()
    new = [seat.name for seat in seats if seat.name not in there]
    words = []
    known = {seat.name for seat in found.seats}
    if there and new:
        words.append(f"new, with a fresh home folder: {_named(new)}")
        if nobodys := sorted(there - known):
            words.append(
                f"home folders of nobody on the roster: {_named(nobodys)}. A home folder is found by its "
                "student's id or group: if one was renamed, give it its old name again"
            )
    again = [name for name in new if (found.folder / COLLECTED / name).is_dir()]
    if again:
        words.append(
            f"collected before, and now with a fresh home folder: {_named(again)}. With the next collection, "
            f"what is in {COLLECTED}/SEAT moves to {COLLECTED}/SEAT/.before"
        )
    return words


def _named(names: Sequence[str]) -> str:
    more = f", and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
