"""The files that C sources include by name: a program depends on them as on its sources."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_INCLUDE = re.compile(
    rb'^[ \t]*#[ \t]*(?:include|include_next|import|embed)[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE
)
_FOLDER_FLAGS = ("-I", "-isystem", "-iquote", "-idirafter")
_MOST_BYTES = 16 * 2**20


def included(
    sources: Iterable[Path], flags: Sequence[str], folder: Path, *, inside: bool = False
) -> list[Path]:
    """The existing files that sources include, directly or not, beside the including file or in a folder of
    ``flags`` (relative to ``folder``). Conditions are not looked at: there may be more than a compiler reads,
    but nothing less unless a macro names a file. ``inside``: only files in ``folder``; no other is touched,
    since a source that is not trusted may name a device."""
    places = [folder / name for name in _folders(flags)]
    found: dict[Path, None] = {}
    ahead = list(sources)
    while ahead:
        source = ahead.pop()
        for name in _names(source):
            for place in (source.parent, *places):
                path = place / name
                if path not in found and (not inside or _is_in(path, folder)) and _is_file(path):
                    found[path] = None
                    ahead.append(path)
    return list(found)


def _is_in(path: Path, folder: Path) -> bool:
    """Whether a path is in a folder, and no link on the way leads out of it."""
    if not os.path.normpath(path).startswith(f"{folder}{os.sep}"):
        return False
    with contextlib.suppress(OSError, ValueError):
        return path.resolve().is_relative_to(folder.resolve())
    return False


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # a name that is too long, or has a NUL
        return path.is_file()
    return False


def _folders(flags: Sequence[str]) -> list[str]:
    named = [
        flag.removeprefix(start)
        for flag in flags
        for start in _FOLDER_FLAGS
        if flag.startswith(start) and flag != start
    ]
    return named + [after for flag, after in itertools.pairwise(flags) if flag in _FOLDER_FLAGS]


def _names(source: Path) -> list[str]:
    try:
        if source.stat().st_size > _MOST_BYTES:
            return []
        text = source.read_bytes()
    except OSError:
        return []  # the compiler will say so
    return [name.decode(errors="surrogateescape") for name in _INCLUDE.findall(text)]
