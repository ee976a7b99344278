"""What the class's log says of one seat: the one reading of it, for the terminal and the browser. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.classes.activity import BROWSER, Event, Kind

_MOVES = frozenset({Kind.CAME, Kind.CHECKED, Kind.HANDED_IN, Kind.RESET})
"""What a student does, as opposed to what the lecturer or a timer does to a seat."""


@dataclass(frozen=True)
class SeatHistory:
    """``logins`` counts the open ones, ``by_ssh`` those of them that are not by the browser. ``checked`` maps
    each exercise (``LAB/EXERCISE``) to the best points of the visible tests, and of how many; ``handed_in``
    maps an exercise to the time of its last hand-in. ``last_move`` is the last thing that the student did."""

    logins: int
    by_ssh: int
    last_login: datetime | None
    checked: Mapping[str, tuple[float, float]]
    handed_in: Mapping[str, datetime]
    last_move: Event | None

    @property
    def passed(self) -> frozenset[str]:
        """The exercises of which a check had all points, whatever came after it."""
        return frozenset(name for name, (points, most) in self.checked.items() if points >= most)


def history(events: Iterable[Event]) -> SeatHistory:
    """Return what a seat's events say, oldest first."""
    logins = {True: 0, False: 0}
    last_login: datetime | None = None
    last_move: Event | None = None
    checked: dict[str, tuple[float, float]] = {}
    handed_in: dict[str, datetime] = {}
    for event in events:
        name = f"{event.lab}/{event.exercise.removeprefix('./')}"
        by_browser = event.detail == BROWSER
        if event.kind is Kind.CAME:
            logins[by_browser] += 1
            last_login = event.time
        elif event.kind is Kind.LEFT:
            logins[by_browser] = max(0, logins[by_browser] - 1)
        elif event.kind is Kind.CHECKED and event.points is not None and event.most is not None:
            checked[name] = max(checked.get(name, (0.0, event.most)), (event.points, event.most))
        elif event.kind is Kind.HANDED_IN and event.time is not None:
            handed_in[name] = event.time
        if event.kind in _MOVES and event.time is not None:
            last_move = event
    return SeatHistory(sum(logins.values()), logins[False], last_login, checked, handed_in, last_move)
