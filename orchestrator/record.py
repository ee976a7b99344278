"""Record: the result of one exercise on one machine, a line of ``records.jsonl``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

RECORDS = "records.jsonl"
"""The file of a run's records, in its folder."""


PANIC = "panic"
"""``killed_for`` of a program during which the machine's kernel panicked."""


class Status(StrEnum):
    """The verdict. ``pass`` and ``fail`` are about the program; ``error`` is an infrastructure error."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"


@dataclass(frozen=True)
class CheckResult:
    """Result of one check on one machine.

    ``that`` is the observation, ``got`` and ``expected`` are what was seen of it and what should have been,
    in words. ``points`` are those won of ``max_points``. ``hidden`` checks are not for students.
    ``poisoned``: it held only where memory happened to be zero, and ``got`` is of the poisoned run.
    """

    that: str
    held: bool
    got: str
    expected: str
    why: str = ""
    points: float = 0.0
    max_points: float = 0.0
    hidden: bool = False
    poisoned: bool = False

    def to_data(self) -> dict[str, Any]:
        """Return this result as JSON data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> CheckResult:
        """Parse JSON data; keys from newer versions are ignored. Raises TypeError when one is missing."""
        known = cls.__dataclass_fields__
        return cls(**{key: value for key, value in data.items() if key in known})


_HALF_PAIR = re.compile(r"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(ud[89a-f][0-9a-f]{2})|.)")
"""An escape in a JSON text; the group is half of a surrogate pair."""


@dataclass(frozen=True)
class Record:
    """One line of ``records.jsonl``; the field names and their order are a fixed format.

    ``start`` says how the machine came up: ``thaw`` (a frozen emulator, continued), ``clone`` (of a booted
    template), ``cold`` (booted), or "" where nothing boots.

    ``killed_for`` says what ended the program when it did not end by itself: isolab stopped it
    (``timeout``, ``output``, ``hangup``, …), or the kernel did (``memory``, ``cpu-limit``,
    ``file-limit``), or somebody did (``unknown``), or the machine's kernel panicked (``panic``).
    ``cut``: more was printed than is kept. ``stdout_bytes`` and ``stdout_sha256`` are about all that was
    printed, kept or not (None and "": not known); ``stdout_escaped`` is what is kept with bytes that
    are not UTF-8 as ``\\xff``, or "" when there are none. The same for stderr. ``platform`` is what may
    explain a difference between machines, see ``orchestrator.results.platform``.

    ``seconds`` is wall time seen from the controller, ``guest_seconds`` what the runner
    measured next to the program; both in seconds. ``reason`` says why a record is not a pass.
    ``exit_code`` and ``signal`` are None when the program did not get that far.

    ``checks`` are the results of the checks, hidden ones included. Where an exercise has hidden tests,
    ``student_view`` is what its student may see instead: other values of the fields it names.
    ``contention`` is the percentage of the time in which a task on the host waited for a processor; None
    where it is unknown. ``warnings`` is what the compiler said of programs that it did compile.
    ``gradable`` is False for a student's work that could not be run: it does not compile, or lacks files.
    """

    run: str
    lab: str
    host: str
    machine: str
    student: str
    driver: str
    boundary: str
    arch: str
    accel: str
    exercise: str
    status: Status
    reason: str = ""
    points: float = 0.0
    max_points: float = 0.0
    seconds: float = 0.0
    guest_seconds: float = 0.0
    exit_code: int | None = None
    signal: str | None = None
    observations: Mapping[str, Any] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    start: str = ""
    killed_for: str = ""
    cut: bool = False
    stdout_bytes: int | None = None
    stdout_sha256: str = ""
    stdout_escaped: str = ""
    stderr_bytes: int | None = None
    stderr_sha256: str = ""
    stderr_escaped: str = ""
    platform: Mapping[str, Any] = field(default_factory=dict)
    checks: Sequence[CheckResult] = ()
    student_view: Mapping[str, Any] | None = None
    contention: float | None = None
    warnings: str = ""
    gradable: bool = True

    def to_json(self) -> str:
        """Return this record as one line of ASCII JSON, keys in the documented order.

        ASCII, because guests are hostile: U+2028 would end the line for some readers. Half of a surrogate
        pair, as Python has for bytes of file names that are no UTF-8, becomes U+FFFD: RFC 8259, section 8.2.
        """
        return _HALF_PAIR.sub(lambda found: r"\ufffd" if found[1] else found[0], json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Parse a line of ``records.jsonl``; keys from newer versions are ignored."""
        raw = json.loads(line)
        if not isinstance(raw, dict):
            raise ValueError("not a record")
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        if raw["status"] not in list(Status):
            raise ValueError(f"unknown status {raw['status']!r}, expected one of: {', '.join(Status)}")
        checks = tuple(CheckResult.from_data(one) for one in raw.get("checks", ()))
        return cls(**{**values, "status": Status(raw["status"]), "checks": checks})


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a ``records.jsonl``; a part of a record at its end (isolab was killed) is skipped,
    see ``ends_in_a_part``. Raises OSError, and ValueError with the line of an invalid record."""
    lines = path.read_bytes().split(b"\n")
    for number, raw in enumerate(lines, start=1):
        last = number == len(lines)  # nothing, or a line without an end
        if last and not _is_json(raw.decode(errors="replace")):
            return
        if not raw:
            continue
        try:
            record = Record.from_json(raw.decode())
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"line {number}: {_words(problem)}") from None
        yield record


def ends_in_a_part(path: Path) -> bool:
    """Return whether a ``records.jsonl`` ends in a part of a record. Raises OSError."""
    line = path.read_bytes().rpartition(b"\n")[2].decode(errors="replace")
    return bool(line) and not _is_json(line)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _words(problem: Exception) -> str:
    match problem:
        case KeyError():
            return f"no {problem}"
        case UnicodeDecodeError():
            return "not text in UTF-8"
        case json.JSONDecodeError():
            return f"not JSON (at column {problem.colno})"
        case _:
            return str(problem)
