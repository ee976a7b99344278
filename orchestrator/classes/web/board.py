"""The lecturer's board: a row for each seat, from the class's log and what stands of its machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.classes.activity import Event, Kind
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.web.ports import BoardRow, MachineView, Progress
from orchestrator.formatting import bounded, printable

_MOVES = frozenset({Kind.CAME, Kind.CHECKED, Kind.HANDED_IN, Kind.RESET})
"""What a student does, as opposed to what is done to a seat."""


@dataclass
class _Story:
    """What the log says of one seat."""

    passed: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    handed_in: dict[str, datetime] = field(default_factory=dict)
    by_ssh: int = 0
    moved: datetime | None = None
    last: str = ""


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
    stories: defaultdict[str, _Story] = defaultdict(_Story)
    for event in events:
        _tell(stories[event.seat], event)
    totals = {lab.name: len(lab.lab.exercises) for lab in found.labs if lab.name in open_labs}
    return [
        _row(seat, stories[seat.name], totals, machines.get(seat.name, ()), in_browser)
        for seat in found.seats
    ]


def _tell(story: _Story, event: Event) -> None:
    match event.kind:
        case Kind.CHECKED if event.points is not None and event.points >= (event.most or event.points):
            story.passed[event.lab].add(event.exercise)
        case Kind.CHECKED:
            story.passed[event.lab].discard(event.exercise)
        case Kind.HANDED_IN if event.time is not None:
            story.handed_in[event.lab] = event.time
        case Kind.CAME if event.detail != BROWSER:
            story.by_ssh += 1
        case Kind.LEFT if event.detail != BROWSER:
            story.by_ssh = max(0, story.by_ssh - 1)
        case _:
            pass
    if event.kind in _MOVES and event.time is not None:
        story.moved = event.time
        what = f"{event.kind.value} {event.exercise or event.lab}".strip()
        story.last = bounded(printable(what), 60)


BROWSER = "in a browser"
"""What the log says of who came by this server."""


def _row(
    seat: Seat,
    story: _Story,
    totals: Mapping[str, int],
    machines: Sequence[MachineView],
    in_browser: Mapping[str, datetime | None],
) -> BoardRow:
    places = [*(["browser"] if seat.name in in_browser else []), *(["ssh"] if story.by_ssh else [])]
    typed = in_browser.get(seat.name)
    moved = max(filter(None, (story.moved, typed)), default=None)
    progress = [
        Progress(lab, len(story.passed[lab]), total, story.handed_in.get(lab))
        for lab, total in totals.items()
    ]
    return BoardRow(
        seat.name,
        printable(seat.label),
        names_of(seat),
        tuple(machines),
        " and ".join(places),
        tuple(progress),
        moved,
        story.last,
    )


def names_of(seat: Seat) -> str:
    """Return the names of a seat's members for people; "" where the roster has none."""
    return bounded(printable(", ".join(m.student.name for m in seat.members if m.student.name)), 120)


def missing(rows: Collection[BoardRow]) -> list[str]:
    """Return the labels of seats of which a machine is not up."""
    return [row.label for row in rows if not row.machines or not all(one.up for one in row.machines)]
