"""Files as an archive or a folder names them: which paths are taken, which refused, which ignored."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol

from orchestrator.exercises.misplaced import stray
from orchestrator.formatting import bounded, printable

MOST_FOLDERS = 64
"""How deep a file may lie. Deeper ones are an attack on who walks the folder."""
LONGEST_PATH = 3000
"""Bytes of a path. The kernel takes 4096 (PATH_MAX, limits.h), and ours begin with a folder of ours."""
_LONGEST_NAME = 255
"""Bytes of one part of a path: NAME_MAX of Linux's file systems."""
_LONGEST_SHOWN = 120
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")

LINK = "it is a link"
SPECIAL = "it is not a plain file"
ENCRYPTED = "it is encrypted"
KINDS = (LINK, SPECIAL, ENCRYPTED)
"""Reasons that are not about the path."""


class Unreadable(Exception):
    """An archive cannot be read; the message says why, as the end of a sentence."""


@dataclass(frozen=True)
class Entry:
    """A file or folder by its path in an archive or folder: its parts joined by ``/``, none of them ``..``.

    ``refused`` says why it is not taken. Then ``path`` ends before what is wrong with it and may be
    empty, and ``shown`` is the name as written, printable.
    """

    path: str
    folder: bool = False
    refused: str = ""
    shown: str = ""

    @property
    def ignored(self) -> bool:
        """Whether a desktop or a version control system left it there: nobody handed it in."""
        return any(stray(part) for part in self.path.split("/"))


class EntrySource(Protocol):
    """Where files come from. ``entries`` lists them, in its order; ``damage`` says why the list is not
    complete, "" if it is."""

    entries: tuple[Entry, ...]
    damage: str

    @property
    def size(self) -> int | None:
        """An archive's own size in bytes, None of a folder."""
        ...

    def files(self) -> Iterator[tuple[Entry, Callable[[], AbstractContextManager[IO[bytes]]]]]:
        """Yield each file that is not refused, in the order of ``entries``, with what opens it. Only the
        last one that was yielded can be opened."""
        ...


def named(name: str, *, folder: bool = False, refused: str = "") -> Entry:
    """Return the entry of this name, refused if its path cannot be taken as it is."""
    shown = shown_name(name)
    if name.startswith("/") or _DRIVE.match(name):
        return Entry("", folder, refused or "its path is absolute", shown)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for number, part in enumerate(parts):
        if part == "..":
            return Entry(
                "/".join(parts[:number]), folder, refused or "its path leads out of its folder", shown
            )
        if wrong := _unusable(part):
            return Entry("/".join(parts[:number]), folder, refused or wrong, shown)
    if len(parts) > MOST_FOLDERS:
        words = f"it is more than {MOST_FOLDERS} folders deep"
        return Entry("/".join(parts[:MOST_FOLDERS]), folder, refused or words, shown)
    if len(os.fsencode("/".join(parts))) > LONGEST_PATH:
        words = f"its path is longer than {LONGEST_PATH} bytes"
        return Entry(parts[0], folder, refused or words, shown)
    return Entry("/".join(parts), folder, refused, shown)


def shown_name(name: str) -> str:
    """Return a name as people may see it: printable and of bounded length."""
    return bounded(printable(name), _LONGEST_SHOWN)


def _unusable(part: str) -> str:
    try:
        size = len(part.encode(errors="surrogateescape"))
    except UnicodeEncodeError:
        return "its name is not valid"
    if "\0" in part:
        return "its name has a NUL in it"
    return f"its name is longer than {_LONGEST_NAME} bytes" if size > _LONGEST_NAME else ""
