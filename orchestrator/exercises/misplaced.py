"""Files of a student's folder that lie in another place than their exercise expects, or in other case."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from orchestrator.formatting import printable

_MOST_ENTRIES = 2000
"""Files that are looked at: a submission may hold any number."""


@dataclass(frozen=True)
class Misplaced:
    """The files of a student's folder by their paths in it, without those that lie where an exercise
    expects a file."""

    files: tuple[str, ...]

    def hint(self, wanted: str) -> str:
        """Return, for a missing path, which file may be meant and what to do with it; "" if none is."""
        path = PurePath(wanted)
        named = [name for name in self.files if PurePath(name).name.lower() == path.name.lower()]
        if not named:
            return ""
        # One in the same folder, then one of the same name.
        best = min(
            named, key=lambda name: (PurePath(name).parent != path.parent, PurePath(name).name != path.name)
        )
        there, folder = printable(best), path.parent
        if PurePath(best).parent == folder:
            return f" ({there} is there: rename it to {path.name})"
        name = "" if PurePath(best).name == path.name else f", as {path.name}"
        return f" ({there} is there: it belongs in {folder}/{name})"


def misplaced(work: Path, expected: Iterable[str]) -> Misplaced:
    """Look for misplaced files in a student's folder; ``expected`` are the paths that exercises take. Links
    are not followed, and what cannot be read is passed over."""
    taken = frozenset(expected)
    return Misplaced(tuple(name for name in islice(_below(work), _MOST_ENTRIES) if name not in taken))


def _below(work: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(work):
        folders.sort()
        yield from (str((Path(folder) / name).relative_to(work)) for name in sorted(names))
