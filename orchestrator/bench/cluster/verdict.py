"""What a run with faults has lost, doubled or left, by its report and by what its hosts have. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.record import Record, Status

Place = tuple[str, str]
"""Machine and exercise of a record."""


@dataclass(frozen=True)
class FaultVerdict:
    """Each in words. ``lost``: records that are missing, or that a host has and the report does not;
    ``doubled``: records that are there twice; ``repeated``: programs that ran more often on a host than
    their unit was begun there; ``left``: what should be gone; ``away``: what did not come back by itself;
    ``hung``: runs without an end. ``errors`` counts records that say that hosts failed."""

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    hung: tuple[str, ...] = ()
    records: int = 0
    errors: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def troubles(self) -> tuple[str, ...]:
        return (*self.lost, *self.doubled, *self.repeated, *self.left, *self.away, *self.hung)


def judged(planned: Sequence[Place], records: Sequence[Record], looks: Mapping[str, Any]) -> FaultVerdict:
    """Return what became of the records of a run, and of what it ran; ``looks`` are what each host's part
    found (``on_host``, "look")."""
    count = Counter((one.machine, one.exercise) for one in records)
    errors = [one for one in records if one.status is Status.ERROR]
    there = _written(looks)
    lost = [f"no record of {_name(place)}" for place in planned if not count[place]]
    for one in errors:
        for host, status in there.get((one.machine, one.exercise), ()):
            if status != Status.ERROR:
                lost.append(f"{_name((one.machine, one.exercise))} is {status} on {host}: {one.reason[:200]}")
    unknown = [place for place in count if place not in set(planned)]
    doubled = [f"{times} records of {_name(place)}" for place, times in count.items() if times > 1]
    doubled += [f"a record of {_name(place)}, which nobody asked for" for place in unknown]
    return FaultVerdict(
        lost=tuple(lost),
        doubled=tuple(doubled),
        repeated=tuple(_repeated(looks)),
        left=tuple(f"{host}: {words}" for host, look in looks.items() for words in look["left"]),
        records=len(records),
        errors=len(errors),
        reasons=Counter(one.reason[:160] for one in errors),
    )


def _written(looks: Mapping[str, Any]) -> dict[Place, list[tuple[str, str]]]:
    """Return host and status of the records that hosts have of each place, of units' newest epochs alone."""
    newest: dict[str, int] = defaultdict(int)
    for _, unit in _units(looks):
        newest[unit["key"]] = max(newest[unit["key"]], unit["epoch"])
    found: dict[Place, list[tuple[str, str]]] = defaultdict(list)
    for host, unit in _units(looks):
        if unit["epoch"] == newest[unit["key"]]:
            for machine, exercise, status in unit["records"]:
                found[machine, exercise].append((host, status))
    return found


def _repeated(looks: Mapping[str, Any]) -> Iterable[str]:
    """Yield what ran more often on a host than its unit was begun there. A unit is known by its records, on
    whatever host; one that has none may be that of any machine."""
    of = {unit["key"]: record[0] for _, unit in _units(looks) for record in unit["records"]}
    for host, look in looks.items():
        begun = Counter(of.get(unit["key"], "") for unit in look["units"])
        for name, times in look["ran"].items():
            machine = name.partition(" ")[0]
            if times > begun[machine] + begun[""]:
                yield f"{host}: {name} ran {times} times, its unit was begun {begun[machine]} times"


def _units(looks: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((host, unit) for host, look in looks.items() for unit in look["units"])


def _name(place: Place) -> str:
    return " ".join(place)
