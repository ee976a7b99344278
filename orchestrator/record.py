"""Record: the result of one exercise on one machine, a line of ``records.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.check_result import CheckResult


class Status(StrEnum):
    """The verdict. ``pass`` and ``fail`` are about the program; ``error`` is an infrastructure error."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"


@dataclass(frozen=True)
class Record:
    """One line of ``records.jsonl``; the field names and their order are a fixed format.

    ``start`` says how the machine came up: ``clone`` (of a booted template), ``cold`` (booted),
    or "" where nothing boots.

    ``seconds`` is wall time seen from the controller, ``guest_seconds`` what the runner
    measured next to the program; both in seconds. ``reason`` says why a record is not a pass.
    ``exit_code`` and ``signal`` are None when the program did not get that far.

    ``checks`` are the results of the checks, hidden ones included. Where an exercise has hidden tests,
    ``student_view`` is what its student may see instead: other values of the fields it names.
    ``contention`` is the percentage of the time in which a task on the host waited for a processor; None
    where it is unknown.
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
    checks: Sequence[CheckResult] = ()
    student_view: Mapping[str, Any] | None = None
    contention: float | None = None

    def to_json(self) -> str:
        """Return this record as one line of ASCII JSON, keys in the documented order.

        ASCII, because guests are hostile: a lone surrogate cannot be encoded, and U+2028 would
        end the line for some readers.
        """
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Parse a line of ``records.jsonl``; keys from newer versions are ignored."""
        raw = json.loads(line)
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        checks = tuple(CheckResult.from_data(one) for one in raw.get("checks", ()))
        return cls(**{**values, "status": Status(raw["status"]), "checks": checks})


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a ``records.jsonl``; an incomplete last line (isolab was killed) is skipped."""
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            record = Record.from_json(line)
        except ValueError:
            if number != len(lines):
                raise
            return
        yield record
