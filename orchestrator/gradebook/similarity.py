"""Which submissions are alike: a page of pairs, with what they have in common side by side.

Fingerprints, their comparison and the measure are copydetect's (winnowing, as in MOSS), of tokens that
pygments finds: other names, other spaces and other comments make no difference. What was handed out is
boilerplate. A page of likenesses is a reason to look, never proof.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from time import monotonic

from orchestrator.formatting import bounded, counted, printable
from orchestrator.gradebook.fingerprints import Fingerprint, Fingerprints
from orchestrator.gradebook.pages import page
from orchestrator.gradebook.similar_parts import TextPart, parts_of
from orchestrator.grading.model import Gradebook

LEAST_SHARE = 0.4
"""Pairs that have less than this in common, of the smaller file, are not shown."""
PAIRS, SIDE_BY_SIDE = 200, 40
"""About how many pairs are listed, and how many of them are shown side by side."""
SECONDS = 120.0
"""Time for all fingerprints: hostile sources take long. What is then left is named, not compared."""
_FILES_OF_ONE, _BYTES = 64, 2**20


@dataclass(frozen=True)
class _StudentFile:
    """A file of one student, by its path in the folder; ``marks`` is what it is recognised by."""

    student: str
    path: str
    marks: Fingerprint


@dataclass(frozen=True)
class Pair:
    """Two files and how alike they are: ``one_share`` and ``other_share`` from 0 to 1, of what each has
    beside the boilerplate; ``parts`` are both texts, what is in common marked, or () in the mere list."""

    file: str
    one: str
    other: str
    one_share: float
    other_share: float
    parts: tuple[tuple[TextPart, ...], ...] = ()

    @property
    def share(self) -> float:
        """How alike they are, by the one that has more of it in common."""
        return max(self.one_share, self.other_share)


@dataclass(frozen=True)
class Likeness:
    """All pairs worth a look, the most alike first; ``omitted`` are more of them, ``uncompared`` files for
    which there was no time, by student and path."""

    pairs: tuple[Pair, ...]
    compared: int
    omitted: int = 0
    uncompared: tuple[str, ...] = ()


def similarity_html(book: Gradebook, work: Mapping[str, Path], boilerplate: Sequence[Path] = ()) -> str:
    """Return the page as an HTML document.

    ``work`` are folders of files by the student's id; those of a team have the same folder. Files are
    compared with files at the same path in others' folders. ``boilerplate`` are files or folders that were
    handed out. Raises Unavailable without copydetect, and OSError.
    """
    names = {student.id: _name(student.name, student.id) for student in book.students}
    found = likeness(work, boilerplate, names)
    return page(
        "similarity.html.j2",
        sortable=True,
        lab=bounded(printable(book.lab.lab.title or book.lab.lab.lab), 200),
        likeness=found,
        least=LEAST_SHARE,
        counted=counted,
    )


def likeness(
    work: Mapping[str, Path],
    boilerplate: Sequence[Path] = (),
    names: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Likeness:
    """Return which files are alike. ``names`` are those to show by id. Raises as ``similarity_html`` does."""
    prints = Fingerprints(found for place in boilerplate for found in _texts(place))
    files: dict[str, list[_StudentFile]] = {}
    uncompared: list[str] = []
    end = monotonic() + seconds
    for student, folder in _together(work, names or {}).items():
        for path, text in _texts(folder):
            if monotonic() > end:
                uncompared.append(f"{student}: {path}")
            else:
                files.setdefault(path, []).append(_StudentFile(student, path, prints.of(path, text)))
    found = [_of_one_path(prints, same, len(files)) for same in files.values()]
    return Likeness(
        tuple(sorted((pair for pairs, _ in found for pair in pairs), key=lambda pair: -pair.share)),
        sum(map(len, files.values())),
        sum(omitted for _, omitted in found),
        tuple(uncompared),
    )


def _of_one_path(prints: Fingerprints, files: Sequence[_StudentFile], paths: int) -> tuple[list[Pair], int]:
    """Return the pairs of files at the same path, and how many more there are. Each of the ``paths`` has its
    share of the page: an exercise that all solve alike does not hide the others."""
    found = sorted(_candidates(files), key=lambda each: (-each[0], each[1].student, each[2].student))
    most, beside = max(10, PAIRS // paths), max(2, SIDE_BY_SIDE // paths)
    pairs = [
        _pair(prints, one, other, shown=place < beside) for place, (_, one, other) in enumerate(found[:most])
    ]
    return pairs, max(0, len(found) - most)


def _together(work: Mapping[str, Path], names: Mapping[str, str]) -> dict[str, Path]:
    """Return the folders by the names of all whose folder it is: teams are not compared with themselves."""
    found: dict[Path, list[str]] = {}
    for student, folder in sorted(work.items()):
        found.setdefault(folder, []).append(names.get(student, student))
    return {", ".join(theirs): folder for folder, theirs in found.items()}


def _name(name: str, identity: str) -> str:
    return f"{name} ({identity})" if name not in ("", identity) else identity


def _texts(place: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder, or the file itself, with their paths in it: plain ones of bounded number
    and size, links left out."""
    paths = [place] if place.is_file() else _plain(place)
    for path in paths[:_FILES_OF_ONE]:
        with path.open("rb") as file:
            data = file.read(_BYTES)
        name = path.name if path == place else path.relative_to(place).as_posix()
        yield name, data.decode(errors="replace")


def _plain(folder: Path) -> list[Path]:
    found = [Path(top, name) for top, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _candidates(files: Sequence[_StudentFile]) -> Iterator[tuple[float, _StudentFile, _StudentFile]]:
    """Yield the pairs that have enough in common, with how much: a bound that is quick to find."""
    for one, other in combinations(files, 2):
        share = one.marks.in_common(other.marks)
        if share >= LEAST_SHARE:
            yield share, one, other


def _pair(prints: Fingerprints, one: _StudentFile, other: _StudentFile, *, shown: bool) -> Pair:
    found = prints.compared(one.marks, other.marks)
    parts = (
        (parts_of(one.marks.text, found.one_spans), parts_of(other.marks.text, found.other_spans))
        if shown
        else ()
    )
    return Pair(one.path, one.student, other.student, found.one_share, found.other_share, parts)
