"""Write all files of a gradebook into its folder.

Everything is made anew of the grades, without time stamps and in a fixed order: the same grades under the
same policy give the same bytes. A file is replaced as a whole, so a reader never sees a part of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.gradebook import csv
from orchestrator.gradebook.counted import counted
from orchestrator.gradebook.policy import Policy
from orchestrator.grading.model import Gradebook
from orchestrator.host.cache import write_atomically


@dataclass(frozen=True)
class Exports:
    """What to write besides the files that are always written.

    ``moodle`` is a grading worksheet and ``canvas`` a gradebook, both as downloaded, to be filled in.
    ``named``: the files about the whole class have names and ids, not pseudonyms.
    """

    moodle: Path | None = None
    canvas: Path | None = None
    policy: Policy = field(default_factory=Policy)
    named: bool = False


@dataclass(frozen=True)
class _File:
    """A file to write: ``path`` is below the gradebook's folder."""

    path: str
    data: bytes
    mode: int = 0o644


def write(book: Gradebook, folder: Path, exports: Exports) -> tuple[Path, ...]:
    """Write the gradebook's files into ``folder``; return their paths. Raises SpecError for a file of a
    platform that cannot be filled in, and OSError."""
    return tuple(_written(folder, file) for file in _files(book, exports))


def _files(book: Gradebook, exports: Exports) -> Iterator[_File]:
    grades = counted(book, exports.policy)
    yield _File("grades.csv", csv.render(grades).encode(errors="backslashreplace"))


def _written(folder: Path, file: _File) -> Path:
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, file.data, mode=file.mode)
    return path
