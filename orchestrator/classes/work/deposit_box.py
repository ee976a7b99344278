"""What was handed in, on disk: ``handed-in/LAB/SEAT/NUMBER/`` beside the class file, each written once.

A number's folder holds ``files/EXERCISE/…``, the signed ``receipt.txt``, and ``hand-in.json`` for programs.
It appears complete, under a name that was never used before, and is read-only then.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import HANDED_IN
from orchestrator.classes.work.receipt import FILES, RECEIPT, HandInFacts
from orchestrator.errors import LabError
from orchestrator.host.cache import sha256_file

ABOUT = "hand-in.json"
_MAKING = ".making"


@dataclass(frozen=True)
class Deposited:
    """One hand-in. ``exercises`` are those it holds, by folder name; ``time`` has a time zone; ``files`` maps
    ``EXERCISE/FILE`` to SHA-256."""

    folder: Path
    number: int
    time: datetime
    exercises: tuple[str, ...]
    files: Mapping[str, str]
    by: str

    @property
    def content(self) -> Path:
        """The folder with its files."""
        return self.folder / FILES

    def of(self, exercise: str) -> dict[str, str]:
        """Return the SHA-256 of each file of one exercise, by its path."""
        return files_of(self.files, exercise)

    @property
    def receipt(self) -> str:
        """The text of its receipt. Raises OSError."""
        return (self.folder / RECEIPT).read_text(encoding="utf-8")


def box(found: LoadedClass, lab: str, seat: str) -> Path:
    """Return the folder of all that a seat handed in of a lab, whether there is anything or not."""
    return found.folder / HANDED_IN / lab / seat


def deposited(folder: Path) -> list[Deposited]:
    """Return what is in a seat's folder, in the order of the numbers. Raises LabError for one that cannot be
    read: nothing that was handed in is passed over."""
    numbers = [path for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []
    return [_read(path) for path in sorted(numbers, key=lambda path: int(path.name))]


def files_of(files: Mapping[str, str], exercise: str) -> dict[str, str]:
    """Return what belongs to one exercise of files by their paths, ``EXERCISE/FILE``. Pure."""
    return {name: about for name, about in files.items() if name.startswith(f"{exercise}/")}


def first_time(before: Sequence[Deposited], exercise: str, files: Mapping[str, str]) -> datetime | None:
    """Return when exactly these files of an exercise were first handed in; None if never. Whatever came in
    between or beside makes them no later. Pure."""
    return min(
        (one.time for one in before if exercise in one.exercises and one.of(exercise) == files), default=None
    )


def size_of(folder: Path) -> int:
    """Return how many bytes all hand-ins of a seat take."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def deposit(
    folder: Path, content: Path, facts: HandInFacts, exercises: tuple[str, ...], text: str
) -> Deposited:
    """Make the folder of a new hand-in: ``content`` becomes its files, which it is moved to. Raises LabError,
    then there is none."""
    making, final = folder / f"{_MAKING}-{facts.number}", folder / str(facts.number)
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700, parents=True)
        shutil.copytree(content, making / FILES)
        (making / RECEIPT).write_text(text, encoding="utf-8")
        (making / ABOUT).write_text(json.dumps(_data(facts, exercises), indent=1) + "\n", encoding="utf-8")
        _freeze(making)
        making.rename(final)  # fails if it is there, as no number is used twice
        _sync(folder)
    except OSError as problem:
        raise LabError(
            f"cannot write what was handed in to {final}: {problem.strerror or problem}",
            hint="free space, or make the folder yours",
        ) from None
    return Deposited(final, facts.number, facts.time, exercises, facts.files, facts.by)


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, by its path there. Raises OSError."""
    return {str(path.relative_to(folder)): sha256_file(path) for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for above, _, names in os.walk(folder):
        for name in names:
            path = Path(above) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _freeze(folder: Path) -> None:
    """Bring everything to disk, and let nobody write to it by mistake."""
    for path in _files(folder):
        path.chmod(0o444)
        _sync(path)
    for above, names, _ in os.walk(folder, topdown=False):
        for name in names:
            (Path(above) / name).chmod(0o555)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _data(facts: HandInFacts, exercises: tuple[str, ...]) -> dict[str, Any]:
    return {
        "class": facts.class_name,
        "lab": facts.lab,
        "seat": facts.seat,
        "number": facts.number,
        "students": list(facts.students),
        "by": facts.by,
        "time": facts.time.isoformat(timespec="microseconds"),
        "late": facts.late,
        "exercises": list(exercises),
        "missing": list(facts.missing),
        "digest": facts.digest,
        "files": dict(sorted(facts.files.items())),
    }


def _read(folder: Path) -> Deposited:
    try:
        raw = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        files = {str(name): str(digest) for name, digest in raw["files"].items()}
        exercises = tuple(str(one) for one in raw["exercises"])
        time = datetime.fromisoformat(raw["time"])
        if time.tzinfo is None:
            raise ValueError("a time without its offset")
        return Deposited(folder, int(folder.name), time, exercises, files, str(raw["by"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise LabError(
            f"{folder / ABOUT} is damaged ({problem})",
            hint="restore the folder from a backup, or move it away: then it was not handed in",
        ) from None
