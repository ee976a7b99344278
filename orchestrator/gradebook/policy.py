"""The lecturer's policy on late work and several attempts. It is applied when grades are exported, and
never changes a grade: another policy needs no other grading.

What lateness means here: a day late is a day *started* after the due date. The due date is the student's own
where there is an extension; work within the extension is on time, and costs no late days. ``grace`` only
decides whether work is late at all: once it is, days count from the due date. A student's ``late_days`` are
days of this lab: work that comes on the second day uses two of them, however many exercises are in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from orchestrator.labfile.models.base import Spec
from orchestrator.labfile.read_spec import read_spec
from orchestrator.labfile.schema import for_editors
from orchestrator.units import Duration

_DAY = timedelta(days=1)
_MOMENT = "expected a time with its offset from UTC, such as 2027-03-08T17:00+08:00"
_AMOUNT = "expected a percentage such as 10%, or points such as 0.5"
_EXTENSION = "expected days or hours such as 2d or 12h, or a time with its offset from UTC"
_MOST_DAYS = 3660
_YEARS = range(1970, 3000)
"""Of due dates: what is added to one stays a date."""


class Keep(StrEnum):
    """Which of a student's attempts counts."""

    BEST = "best"
    LAST = "last"


@dataclass(frozen=True)
class Amount:
    """Points to lose: ``value`` points, or that many per cent of the points that the work has."""

    value: float
    percent: bool = False

    def of(self, points: float) -> float:
        """Return how many of these points are lost."""
        return points * self.value / 100 if self.percent else self.value


def _amount(value: object) -> Amount:
    if isinstance(value, Amount):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Amount(float(value))
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?)\s*%", value) if isinstance(value, str) else None
    if found is None or float(found[1]) > 100:
        raise ValueError(_AMOUNT)
    return Amount(float(found[1]), percent=True)


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        read = None
    if read is None or read.tzinfo is None or read.year not in _YEARS:
        raise ValueError(_MOMENT)
    return read


def _extension(value: object) -> datetime | timedelta:
    if isinstance(value, datetime | timedelta):
        return value
    found = re.fullmatch(r"(\d{1,4})\s*([dh])", value) if isinstance(value, str) else None
    if found is not None:
        return timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1]))
    try:
        return _moment(value)
    except ValueError:
        raise ValueError(_EXTENSION) from None


_MOMENT_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2027-03-08T17:00+08:00"]}
_AMOUNT_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$", "examples": ["10%"]},
        {"type": "number", "minimum": 0},
    ]
}
Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)]
Loss = Annotated[Amount, PlainValidator(_amount), WithJsonSchema(_AMOUNT_SCHEMA)]
Extension = Annotated[
    datetime | timedelta,
    PlainValidator(_extension),
    WithJsonSchema({"type": "string", "examples": ["2d", "12h", "2027-03-10T17:00+08:00"]}),
]


class Policy(Spec):
    """How a lab's grades count. Every key may be left out; without any, points stay as they are."""

    due: Moment | None = None
    """When the work is due: ISO 8601, with the offset from UTC."""
    grace: Duration = 0.0
    """How much later still counts as on time, such as 15min."""
    late_days: Annotated[int, Field(ge=0, le=_MOST_DAYS)] = 0
    """Days late that cost nothing, for each student, in the whole lab."""
    penalty_per_day: Loss | None = None
    """What each further day costs: a percentage of the work's points, or points of each exercise."""
    cap: Loss | None = None
    """The most that lateness costs, likewise."""
    keep: Keep = Keep.LAST
    """Which attempt counts: the last, or (best) the one with the most points after the penalty."""
    extensions: dict[str, Extension] = Field(default_factory=dict)
    """Later due dates of single students, by id: a time, or how much later (2d, 12h)."""

    @model_validator(mode="after")
    def _has_due_date(self) -> Self:
        if self.due is None and (self.penalty_per_day or self.late_days or self.extensions):
            raise ValueError("penalties, late days and extensions need `due`, the time they count from")
        return self

    def due_for(self, student: str) -> datetime | None:
        """Return when the work of a student is due, by id: never before it is due for all."""
        if self.due is None:
            return None
        match self.extensions.get(student):
            case timedelta() as later:
                return self.due + later
            case datetime() as moment:
                return max(self.due, moment)
            case _:
                return self.due

    def days_late(self, student: str, submitted: datetime | None) -> int | None:
        """Return how many days late, begun ones counted whole; 0 is on time. None where nobody can say: there
        is no due date, or no time of the submission, or one without an offset."""
        due = self.due_for(student)
        if due is None or submitted is None or submitted.tzinfo is None:
            return None
        # In UTC: across a change of the clocks a day of 24 hours stays one.
        by = submitted.astimezone(UTC) - due.astimezone(UTC)
        return 0 if by <= timedelta(seconds=self.grace) else max(1, ceil(by / _DAY))

    def after(self, points: float, days: int) -> float:
        """Return what is left of points that come so many days late: at least 0, and never more for later."""
        if self.penalty_per_day is None:
            return points
        lost = self.penalty_per_day.of(points) * max(0, days - self.late_days)
        return points - min(points, lost, self.cap.of(points) if self.cap else points)


def policy_data(policy: Policy) -> dict[str, Any]:
    """Return a policy as JSON data, of which ``Policy.model_validate`` makes the same one."""
    plain = Policy()
    values = {name: getattr(policy, name) for name in Policy.model_fields}
    return {name: _plain(value) for name, value in values.items() if value != getattr(plain, name)}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            hours = round(value / timedelta(hours=1))
            return f"{hours}h" if hours % 24 else f"{hours // 24}d"
        case Amount():
            return f"{value.value:g}%" if value.percent else value.value
        case dict():
            return {name: _plain(one) for name, one in value.items()}
    return value


def load_policy(path: Path) -> Policy:
    """Load a policy's YAML file. Raises SpecError with every mistake in it."""
    return read_spec(Policy, path, hint="a policy is a YAML file")


def policy_schema() -> dict[str, Any]:
    """JSON Schema of policy files."""
    return for_editors(Policy.model_json_schema(by_alias=True))
