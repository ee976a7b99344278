"""What is done to whom, and when: drawn from one number each, so that a fault can be repeated. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SECONDS = (1.0, 4.0, 12.0, 20.0)
"""How long what is not final lasts. Leases outlast the longest; that of silence is 15 s."""


@dataclass(frozen=True)
class FaultKind:
    """What is done (``kill``, ``stop``, ``cut`` …) to what (``worker``, ``link`` …); ``lasts``: it is undone
    after some seconds."""

    does: str
    to: str
    lasts: bool = False

    def __str__(self) -> str:
        return f"{self.does} {self.to}"


class Moment(StrEnum):
    """When: a step of the run, or, in about half of all, at random."""

    PLACING = "before the first unit was given away"
    GIVEN = "when the first unit was given away"
    FIRST = "at the first record"
    THIRD = "at a third of the records"
    MOST = "at two thirds of the records"
    LAST = "at the last record"
    ENDED = "after the run"
    RANDOM = "at random"


STEPS = tuple(moment for moment in Moment if moment is not Moment.RANDOM)


@dataclass(frozen=True)
class Fault:
    """One fault. ``host`` is whom it befalls if it befalls a host; ``after`` is in seconds since the run's
    start, of one at random; ``seconds`` how long it lasts; ``which`` chooses among equals."""

    seed: int
    kind: FaultKind
    host: str
    moment: Moment
    after: float
    seconds: float
    which: int

    def __str__(self) -> str:
        when = f"after {self.after:.1f} s" if self.moment is Moment.RANDOM else str(self.moment)
        lasting = f" for {self.seconds:.0f} s" if self.kind.lasts else ""
        return f"{self.kind}, {self.host}, {when}{lasting}"


def drawn(seed: int, kinds: Sequence[FaultKind], hosts: Sequence[str], expected: float) -> Fault:
    """Return the fault of a number; ``expected`` is how many seconds a run takes. The same for the same
    arguments."""
    numbers = random.Random(seed)
    # In turn, so that as many faults as there are kinds have all of them.
    kind = kinds[seed % len(kinds)]
    host = numbers.choice(list(hosts))
    moment = Moment.RANDOM if numbers.random() < 0.5 else STEPS[(seed + seed // len(kinds)) % len(STEPS)]
    after = numbers.uniform(0.0, expected)
    seconds = numbers.choice(SECONDS) if kind.lasts else 0.0
    return Fault(seed, kind, host, moment, after, seconds, numbers.randrange(1000))
