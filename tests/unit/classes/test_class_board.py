"""What a seat's row says of what happened at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from made_up_term import made_up_class

from orchestrator.classes.activity import Event, Kind
from orchestrator.classes.board import seat_row

NINE = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def at(minute: int, kind: Kind, exercise: str = "", points: float | None = None) -> Event:
    most = None if points is None else 3.0
    lab = "workshop" if exercise else ""
    return Event("s00", kind, lab, exercise, "", points, most, NINE + timedelta(minutes=minute))


def test_the_best_check_counts_and_the_last_hand_in(tmp_path: Path) -> None:
    seat = made_up_class(tmp_path, 1).seats[0]
    events = [
        at(0, Kind.CAME),
        at(1, Kind.CHECKED, "./sum", 1.0),
        at(2, Kind.CHECKED, "./sum", 3.0),
        at(3, Kind.CHECKED, "./sum", 2.0),
        at(4, Kind.HANDED_IN, "./sum"),
        at(5, Kind.HANDED_IN, "./sum"),
        at(6, Kind.COLLECTED),
    ]
    row = seat_row(seat, [], events, {"s00": NINE})
    assert row.checked == {"workshop/sum": (3.0, 3.0)}
    assert row.passed == {"workshop/sum"}
    assert row.handed_in == {"workshop/sum": NINE + timedelta(minutes=5)}
    assert row.last_move == NINE + timedelta(minutes=5)  # to be collected is no move of theirs
    assert (row.logged_in, row.last_login, row.ends) == (1, NINE, NINE)


def test_who_left_is_not_in_any_more(tmp_path: Path) -> None:
    seat = made_up_class(tmp_path, 1).seats[0]
    events = [at(0, Kind.CAME), at(1, Kind.CAME), at(2, Kind.LEFT)]
    assert seat_row(seat, [], events, {}).logged_in == 1
    assert seat_row(seat, [], [*events, at(3, Kind.LEFT)], {}).logged_in == 0
    assert seat_row(seat, [], [at(3, Kind.LEFT)], {}).logged_in == 0
    assert seat_row(seat, [], [], {}).last_move is None
