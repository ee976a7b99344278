"""Which lines of which host count. What a host sends is checked as if it wanted to deceive.

A line counts if it is signed by the host to which the controller gave its unit, in the unit's newest epoch,
and is the first with its number. A record counts if its unit was to make it, and is the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from orchestrator.cluster.agent.protocol import LONGEST
from orchestrator.cluster.model import SignedLine, Unit
from orchestrator.labfile.plan import Job
from orchestrator.record import Record

MOST_LINES = 100_000
RECORD, WORD, END = "record", "word", "end"


class Refused(Exception):
    """A line or a record does not count, and its host is to blame."""


class Stale(Exception):
    """A line is of an epoch that is over, or came a second time."""


@dataclass
class UnitLines:
    """The lines of a unit in its newest epoch, which has been given to ``host``."""

    unit: Unit
    host: str = ""
    seen: set[int] = field(default_factory=set)
    end: SignedLine | None = None

    def give(self, host: str, epoch: int) -> None:
        """The unit has been given to a host; in a new epoch its lines count anew."""
        if epoch != self.unit.epoch:
            self.seen, self.end = set(), None
        self.unit, self.host = replace(self.unit, epoch=epoch), host

    @property
    def complete(self) -> bool:
        """Whether the unit has ended and none of its lines is missing."""
        return self.end is not None and self.seen.issuperset(range(self.end.number))

    def accept(self, line: SignedLine, public_key: str) -> None:
        """Count a line. Raises Refused, Stale."""
        if line.epoch < self.unit.epoch:
            raise Stale("a line of an epoch that is over")
        if line.host != self.host or line.epoch > self.unit.epoch:
            raise Refused("a line of a unit that was not given to it")
        if not verified(line, public_key):
            raise Refused("a line whose signature is wrong")
        if not 0 <= line.number < MOST_LINES or (self.end and line.number > self.end.number):
            raise Refused("a line with an impossible number")
        if line.number in self.seen:
            raise Stale("a line that was here before")
        self.seen.add(line.number)
        if line.kind == END:
            self.end = line


@dataclass
class RunLines:
    """All units of a run, and which records have been given out."""

    units: Mapping[str, UnitLines]
    given: set[tuple[str, str, str]] = field(default_factory=set)
    """Machine, student and exercise of records."""

    def line(self, text: str, keys: Mapping[str, str]) -> SignedLine:
        """Return the line of a text if it counts; ``keys`` are hosts' public keys. Raises Refused, Stale."""
        line = parsed(text)
        lines = self.units.get(line.unit)
        if lines is None:
            raise Refused("a line of a unit that is not of this run")
        lines.accept(line, keys.get(line.host, ""))
        return line

    def record(self, line: SignedLine) -> Record:
        """Return the record that a line has. Raises Refused, Stale."""
        try:
            record = Record.from_json(line.body)
            place = (str(record.machine), str(record.student), str(record.exercise))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused("what is no record") from None
        if not any(_makes(job, record) for job in self.units[line.unit].unit.jobs):
            raise Refused(f"a record of {place[0][:80]}/{place[2][:80]}, which it was not to make")
        if place in self.given:
            raise Stale("a record that was here before")
        self.given.add(place)
        return replace(record, host=line.host)

    def lacks(self, unit: str) -> bool:
        """Return whether there are exercises of a unit without a record."""
        jobs = self.units[unit].unit.jobs
        return any(
            (job.machine, job.student, name) not in self.given for job in jobs for name in job.exercises
        )

    def missing(self, unit: str) -> list[tuple[Job, str]]:
        """Return jobs and exercises of a unit of which there is no record yet; they count as given now."""
        left = self._left(unit)
        self.given |= {(job.machine, job.student, name) for job, name in left}
        return left

    def _left(self, unit: str) -> list[tuple[Job, str]]:
        wanted = [(job, exercise) for job in self.units[unit].unit.jobs for exercise in job.exercises]
        return [(job, name) for job, name in wanted if (job.machine, job.student, name) not in self.given]


def parsed(text: object) -> SignedLine:
    """Return a line of which every field has its type. Raises Refused."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise Refused("what is no line, or too long")
    try:
        line = SignedLine.from_json(text)
    except (ValueError, TypeError, RecursionError):
        raise Refused("what is no line") from None
    words = (line.host, line.unit, line.kind, line.body, line.signature)
    numbers = (line.epoch, line.number)
    if not all(isinstance(word, str) for word in words) or not all(type(one) is int for one in numbers):
        raise Refused("what is no line")
    return line


def verified(line: SignedLine, public_key: str) -> bool:
    """Return whether a line is signed with the private key of this public key (hex)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(line.signature), line.signed())
    except (ValueError, InvalidSignature):
        return False
    return True


def _makes(job: Job, record: Record) -> bool:
    wanted = job.run, job.machine, job.student, job.lab
    made = record.run, record.machine, record.student, record.lab
    return wanted == made and record.exercise in job.exercises
