"""Who handed in what: students, their submissions, and a class's intake of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Student:
    """A person of the class. ``id`` alone identifies; it is the roster's, or the platform's without one."""

    id: str
    name: str = ""
    email: str = ""
    group: str = ""


@dataclass(frozen=True)
class PlatformPerson:
    """Somebody in a table of a learning ``platform`` (a layout's key): ``number`` is the platform's own;
    ``texts`` are cells that may be the id or e-mail address in the roster; ``name`` may be ""."""

    platform: str
    number: str
    name: str
    texts: tuple[str, ...]


ReadPeople = Callable[[Collection[str]], Sequence[PlatformPerson]]
"""Read the people of a platform's table, given the ids of the roster, by which columns are told apart."""


@dataclass(frozen=True)
class Submission:
    """What one student, or a team, handed in at one time.

    ``folder`` holds its files, unpacked on this host: plain files and folders only, nothing of it trusted.
    ``source`` is where it came from, as the platform names it. ``submitted`` is None where the layout does
    not say; ``late`` is the platform's own mark. ``attempt`` counts from 1. ``platform_id`` is the platform's
    number for who handed in (Moodle's participant, Canvas's user), by which results return to it; ""
    where there is none. ``remarks`` are for whoever handed it in: what was refused or unpacked, and why.
    ``about`` are the exercises it is about, by name, where not every submission is about all; None: all.
    """

    students: tuple[Student, ...]
    folder: Path
    source: str
    submitted: datetime | None = None
    late: bool = False
    attempt: int = 1
    platform_id: str = ""
    remarks: tuple[str, ...] = ()
    on_roster: bool = True
    about: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Intake:
    """All that a class handed in. ``layout`` names the recognised form in words, such as "Moodle".

    ``absent`` are on the roster and handed in nothing. ``notes`` are for the lecturer, one line each: ids
    that are not on the roster, who handed in twice or late, what could not be read. ``unclear`` are the
    absent who may have handed in after all: a submission may be theirs, and nobody can tell whose it is.
    ``roster`` is the name of its file, "" without one.
    """

    layout: str
    submissions: tuple[Submission, ...]
    absent: tuple[Student, ...] = ()
    notes: tuple[str, ...] = ()
    unclear: tuple[Student, ...] = ()
    roster: str = ""

    @property
    def students(self) -> tuple[Student, ...]:
        """Everybody: those who handed in, and those who did not, sorted by id."""
        known = {one.id: one for found in self.submissions for one in found.students}
        known |= {one.id: one for one in self.absent}
        return tuple(known[key] for key in sorted(known))
