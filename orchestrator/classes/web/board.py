"""The lecturer's board: a row for each seat, from the class's log and what stands of its machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from orchestrator.classes.activity import Event
from orchestrator.classes.history import SeatHistory, history
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.web.ports import BoardRow, MachineView, Progress
from orchestrator.formatting import bounded, printable


def board_rows(
    found: LoadedClass,
    open_labs: Sequence[str],
    events: Sequence[Event],
    machines: Mapping[str, Sequence[MachineView]],
    in_browser: Mapping[str, datetime | None],
) -> list[BoardRow]:
    """Return a row for each seat, in the class's order. Pure.

    ``machines`` are by seat; ``in_browser`` are the seats that somebody has open in a browser, with the time
    when something was last typed there.
    """
    of_seat: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_seat[event.seat].append(event)
    totals = {lab.name: len(lab.lab.exercises) for lab in found.labs if lab.name in open_labs}
    return [
        _row(seat, history(of_seat[seat.name]), totals, machines.get(seat.name, ()), in_browser)
        for seat in found.seats
    ]


def _row(
    seat: Seat,
    told: SeatHistory,
    totals: Mapping[str, int],
    machines: Sequence[MachineView],
    in_browser: Mapping[str, datetime | None],
) -> BoardRow:
    places = [*(["browser"] if seat.name in in_browser else []), *(["ssh"] if told.by_ssh else [])]
    last = told.last_move
    moves = (last.time if last else None, in_browser.get(seat.name))
    return BoardRow(
        seat.name,
        printable(seat.label),
        names_of(seat),
        tuple(machines),
        " and ".join(places),
        tuple(_progress(lab, total, told) for lab, total in totals.items()),
        max(filter(None, moves), default=None),
        bounded(printable(f"{last.kind.value} {last.exercise or last.lab}".strip()), 60) if last else "",
    )


def _progress(lab: str, total: int, told: SeatHistory) -> Progress:
    passed = [name for name in told.passed if name.startswith(f"{lab}/")]
    times = [time for name, time in told.handed_in.items() if name.startswith(f"{lab}/")]
    return Progress(lab, len(passed), total, max(times, default=None))


def names_of(seat: Seat) -> str:
    """Return the names of a seat's members for people; "" where the roster has none."""
    return bounded(printable(", ".join(m.student.name for m in seat.members if m.student.name)), 120)


def missing(rows: Collection[BoardRow]) -> list[str]:
    """Return the labels of seats of which a machine is not up."""
    return [row.label for row in rows if not row.machines or not all(one.up for one in row.machines)]
