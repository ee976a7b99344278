"""A class as it was loaded: its seats, and the lab that a seat's machines come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator.classes.spec import ClassLab, ClassSpec
from orchestrator.labfile.load import LoadedLab
from orchestrator.submissions.model import Student

SHARED = "shared"
"""The name of the seat that holds the machines for everybody."""


@dataclass(frozen=True)
class Member:
    """Somebody on the roster. ``keys`` are public SSH keys, each a line of authorized_keys without options;
    ``github`` is a user name there."""

    student: Student
    keys: tuple[str, ...] = ()
    github: str = ""


@dataclass(frozen=True)
class Seat:
    """What one student or group has: the machines of one session, and a home folder on each.

    ``name`` is unique in the class and safe in file names, host names and command lines: the student's or
    group's own if it is so already, else made from it. ``label`` is the id or group as the roster has it.
    """

    name: str
    label: str
    members: tuple[Member, ...]

    @property
    def owner(self) -> str:
        """The id whose parameters a seat has: of several members, as of any team, the first of them."""
        return min(member.student.id for member in self.members)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for member in self.members for key in member.keys))


@dataclass(frozen=True)
class ScheduledLab:
    """A lab of the class: what the class file says, and the lab itself. ``name`` is the lab's own."""

    spec: ClassLab
    lab: LoadedLab

    @property
    def name(self) -> str:
        return self.lab.lab.lab


@dataclass(frozen=True)
class Given:
    """What the controller of a class decided for the seats it has on this host: ``keys`` are public keys that
    open each seat's machines, ``starting`` is a folder with the files of new home folders, by seat."""

    keys: Mapping[str, tuple[str, ...]]
    starting: Path

    @contextmanager
    def of(self, seat: Seat) -> Iterator[Path]:
        """Provide the folder with a seat's files for a ``with`` block. Raises OSError."""
        folder = self.starting / seat.name
        folder.mkdir(exist_ok=True)
        yield folder


@dataclass(frozen=True)
class LoadedClass:
    """A class: its file, its seats in the roster's order, and its labs.

    ``machines`` is a lab with nothing to run, whose machines are those of one seat, quotas applied;
    ``shared`` likewise with the machines for everybody, None without any. ``hosts`` is the hosts file of the
    cluster that its machines are spread over, None if all are on this host. ``written`` is the class file as
    data. ``given`` is set where this is the part of a class that another isolab has on this host.
    """

    spec: ClassSpec
    file: Path
    seats: tuple[Seat, ...]
    labs: tuple[ScheduledLab, ...]
    machines: LoadedLab
    shared: LoadedLab | None = None
    hosts: Path | None = None
    written: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    given: Given | None = None

    @property
    def name(self) -> str:
        return self.spec.class_

    @property
    def folder(self) -> Path:
        """The folder of the class file: what students handed in and grades go there."""
        return self.file.parent

    def open_labs(self, now: datetime | None = None) -> tuple[ScheduledLab, ...]:
        """Return the labs that students see by now."""
        moment = now or datetime.now(UTC)
        return tuple(lab for lab in self.labs if lab.spec.from_ is None or lab.spec.from_ <= moment)

    def session(self, seat: str) -> str:
        """Return the name of the session that holds a seat's machines."""
        return f"{self.name}.{seat}"

    def seat_of(self, session: str) -> str:
        """Return the seat whose machines a session holds; "" if it is no session of this class."""
        head, dot, seat = session.partition(".")
        return seat if dot and head == self.name else ""
