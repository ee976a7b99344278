"""Files of a student's folder that lie in another place than their exercise expects, or in other case.

One is taken where there is no doubt which is meant. A hint names it where there is.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePath

from orchestrator.formatting import printable
from orchestrator.labfile.check_submission import SKELETON

_MOST_ENTRIES = 2000
"""Files that are looked at: a submission may hold any number."""
_STRAY = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git"})
_NUMBERED = re.compile(r"(.+?)(?:-[0-9]{1,3}| ?\([0-9]{1,3}\))((?:\.[^.]*)?)", re.DOTALL)
"""What a platform or a browser makes of a name that it has already: ``wire-1.c``, ``wire (1).c``."""


def stray(name: str) -> bool:
    """Whether a desktop or a version control system leaves files of this name: nobody handed them in."""
    return name in _STRAY or name.startswith("._")


@dataclass(frozen=True)
class Wanted:
    """A file that an exercise takes: the exercise's name, the file's in it, and its path in the student's
    folder."""

    exercise: str
    name: str
    path: str

    @property
    def base(self) -> str:
        """The last part of its name, in lower case."""
        return self.name.rpartition("/")[2].lower()


@dataclass(frozen=True)
class Misplaced:
    """The files of a student's folder by their paths in it, without those that lie where an exercise expects
    a file. ``complete``: these are all. ``exercises`` are those of the lab, by name."""

    files: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    exercises: tuple[str, ...]
    complete: bool = True

    def meant(self, one: Wanted) -> tuple[str, ...]:
        """Return the files that can be meant by one that is not in its place: those of its name in a folder
        called like its exercise, else those in no exercise's folder, if no other exercise has such a name.

        Case does not count, nor the folders around. A number that a platform put behind the name does not
        where there is no other file, and what lies in a skeleton's folder does only there.
        """
        if not self.complete:  # who knows which others there are
            return ()
        for index in (self._named, self._numbered):
            named = [name for name in index.get(one.base, []) if self._is(one, name)]
            own = [name for name in named if self._within(one.exercise, name)]
            if found := own or (self._outside(named) if self._bases[one.base] == 1 else []):
                begun = [name for name in found if SKELETON in name.split("/")[:-1]]
                return tuple([name for name in found if name not in begun] or begun)
        return ()

    def hint(self, wanted: str) -> str:
        """Return, for a missing path, which file may be meant and what to do with it; "" if none is."""
        path = PurePath(wanted)
        named = self._named.get(path.name.lower(), [])
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

    @cached_property
    def _named(self) -> dict[str, list[str]]:
        """The files by the last part of their paths, in lower case."""
        found: dict[str, list[str]] = {}
        for name in self.files:
            found.setdefault(name.rpartition("/")[2].lower(), []).append(name)
        return found

    @cached_property
    def _numbered(self) -> dict[str, list[str]]:
        """The same, without the numbers behind names, and only of those that have one."""
        found: dict[str, list[str]] = {}
        for base, names in self._named.items():
            if match := _NUMBERED.fullmatch(base):
                found.setdefault(f"{match[1]}{match[2]}", []).extend(names)
        return {base: sorted(names) for base, names in found.items()}

    @cached_property
    def _bases(self) -> Counter[str]:
        """How many exercises have a file of a name."""
        return Counter(base for _, base in self._own_bases)

    @cached_property
    def _own_bases(self) -> Counter[tuple[str, str]]:
        """How many files of a name an exercise has."""
        return Counter((one.exercise, one.base) for one in self.wanted)

    @cached_property
    def _folders(self) -> dict[str, tuple[str, ...]]:
        """What a folder of each exercise is called: the last part of its name if no other one has it, else
        the whole."""
        parts = {name: PurePath(name.lower()).parts for name in self.exercises}
        last = Counter(those[-1:] for those in parts.values())
        return {name: those[-1:] if last[those[-1:]] == 1 else those for name, those in parts.items()}

    def _is(self, one: Wanted, name: str) -> bool:
        """Whether a file whose last part is a wanted one's is that, and not another in another folder or
        case."""
        only = self._own_bases[(one.exercise, one.base)] == 1
        return only or name == one.name or name.endswith(f"/{one.name}")

    def _within(self, exercise: str, name: str) -> bool:
        folders, key = tuple(name.lower().split("/")[:-1]), self._folders[exercise]
        return bool(key) and any(folders[at : at + len(key)] == key for at in range(len(folders)))

    def _outside(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if not any(self._within(each, name) for each in self._folders)]


def misplaced(work: Path, wanted: Sequence[Wanted], others: Collection[str] = ()) -> Misplaced:
    """Look for misplaced files in a student's folder.

    ``wanted`` are the files that exercises take, ``others`` the names of further exercises, whose folders
    hold nothing for these. Links are not followed, and what cannot be read is passed over.
    """
    taken = {one.path for one in wanted}
    found = list(islice(_below(work), _MOST_ENTRIES + 1))
    exercises = dict.fromkeys([*(one.exercise for one in wanted), *others])
    return Misplaced(
        tuple(name for name in found[:_MOST_ENTRIES] if name not in taken),
        tuple(wanted),
        tuple(name.removeprefix("./") for name in exercises),
        len(found) <= _MOST_ENTRIES,
    )


def _below(work: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(work):
        folders[:] = sorted(name for name in folders if not stray(name))
        kept = sorted(name for name in names if not stray(name))
        yield from (str((Path(folder) / name).relative_to(work)) for name in kept)
