"""The files that C sources include by name: a program depends on them as on its sources."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_INCLUDE = re.compile(
    rb'^[ \t]*#[ \t]*(?:include|include_next|import|embed)[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE
)
_FOLDER_FLAGS = ("-I", "-isystem", "-iquote", "-idirafter")
_MOST_BYTES = 16 * 2**20


def included(sources: Iterable[Path], flags: Sequence[str], folder: Path) -> list[Path]:
    """The existing files that sources include, directly or not, beside the including file or in a folder of
    ``flags`` (relative to ``folder``). Conditions are not looked at: there may be more than a compiler reads,
    but nothing less unless a macro names a file."""
    places = [folder / name for name in _folders(flags)]
    found: dict[Path, None] = {}
    ahead = list(sources)
    while ahead:
        source = ahead.pop()
        for name in _names(source):
            for place in (source.parent, *places):
                path = place / name
                if path not in found and path.is_file():
                    found[path] = None
                    ahead.append(path)
    return list(found)


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
