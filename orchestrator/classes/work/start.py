"""The files a seat starts from: of each lab of the class that is open, what students get of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.classes.model import LoadedClass, ScheduledLab, Seat
from orchestrator.classes.work.begun import student_files
from orchestrator.grading.hand_out import own_texts
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.check_submission import SKELETON
from orchestrator.labfile.copy_lab import copy_lab
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.writable_copy import writable_file
from orchestrator.paths import state_dir

WORKING = "starting"
"""Purpose of the working folders."""


def exercise_folder(exercise: LoadedExercise) -> str:
    """Return the name of an exercise in its lab's folder."""
    return exercise.name.removeprefix("./")


@dataclass(frozen=True)
class Starting:
    """The open ``labs`` of a class, copied for students into ``folder`` by their names; each seat's files
    are made of these quickly. ``course`` is the secret that parameters are derived from."""

    labs: tuple[ScheduledLab, ...]
    folder: Path
    course: bytes

    @contextmanager
    def of(self, seat: Seat) -> Iterator[Path]:
        """Provide a folder with a seat's files, ``LAB/EXERCISE/…``, for a ``with`` block. Most files are hard
        links to those of other seats: read them, do not write to them. Raises OSError."""
        target = Path(tempfile.mkdtemp(prefix=f"{seat.name}-", dir=self.folder))
        try:
            for lab in self.labs:
                self._make(lab, seat, target / lab.name)
            yield target
        finally:
            shutil.rmtree(target, ignore_errors=True)

    def _make(self, lab: ScheduledLab, seat: Seat, target: Path) -> None:
        source = self.folder / "labs" / lab.name
        own = dict(own_texts(lab.lab, source, seat.owner, self.course))

        def put(file: str, place: str) -> None:
            text = own.get(Path(file))
            if text is None:
                os.link(file, place)
            else:
                Path(place).write_text(text, encoding="utf-8")

        shutil.copytree(source, target, copy_function=put)


@contextmanager
def starting(found: LoadedClass, now: datetime | None = None) -> Iterator[Starting]:
    """Provide what the seats of a class start from for a ``with`` block: each open lab is copied once.
    Raises SpecError, Unavailable, OSError."""
    labs = found.open_labs(now)
    with working_folder(WORKING) as folder:
        (folder / "labs").mkdir()
        for lab in labs:
            copy_lab(lab.lab, folder / "labs" / lab.name, for_students=True)
            _put_skeletons(lab.lab, folder / "labs" / lab.name)
        yield Starting(labs, folder, course_key(signing_key(state_dir())))


@contextmanager
def starting_files(found: LoadedClass, seat: Seat, now: datetime | None = None) -> Iterator[Path]:
    """Provide a folder with the starting files of one seat, ``LAB/EXERCISE/…``, for a ``with`` block. For
    many seats ``starting`` is quicker. Raises as ``starting``."""
    with starting(found, now) as labs, labs.of(seat) as folder:
        yield folder


def _put_skeletons(lab: LoadedLab, folder: Path) -> None:
    """Put the files that students work on where they belong: a copy of each skeleton, ready to edit."""
    for exercise in lab.exercises:
        for name in student_files(exercise):
            begun = exercise.folder / SKELETON / name
            place = folder / exercise_folder(exercise) / name
            if begun.is_file() and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                writable_file(begun, place)
