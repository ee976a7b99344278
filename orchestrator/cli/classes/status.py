"""isolab class status: who is up, who is in, who passed what."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.classes import gateway
from orchestrator.classes.background import last_words, service
from orchestrator.classes.board import Board, MachineRow, MachineState, SeatRow, board
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.up import being_changed
from orchestrator.cli.classes.acting import refuse_further
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, mib, say, say_json, table
from orchestrator.errors import Exit, Interrupted
from orchestrator.formatting import counted

WATCH_SECONDS = 2.0
DAY_SECONDS = 86400.0
_CLEAR = "\033[H\033[2J"
"""Cursor to the top, and an empty screen: ECMA-48, CUP and ED."""
_BY_SERVICE = "the class's service starts it again, or says in its log why not"
_HEAD = ("STUDENT", "MACHINE", "STATE", "SINCE", "MEMORY", "IN", "LAST SEEN", "PASSED", "HANDED IN", "ENDS")


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Print the class's table; with ``--watch``, until Ctrl-C. Exit code 3 if machines are up, and the
    class's service or gateway is not."""
    refuse_further("status", further)
    options.refuse("status", "prune", "out")
    seats = options.seats(found)
    try:
        while True:
            runs = RunningServices(service(found), gateway.alive(found))
            if not runs.gateway and gateway.wanted(found):
                gateway.record_logins(found)  # it was killed, and so was the service: all have left
            now = board(found, seats)
            missing = [*_missing(found, now, runs), *_away(now)]
            if options.form == JSON:
                say_json(_data(found, now, runs))
            elif not say("\n".join([(_CLEAR if options.watch else "") + _text(found, now), *missing])):
                return Exit.PASSED
            if not options.watch:
                return Exit.INFRASTRUCTURE if missing else Exit.PASSED
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        raise Interrupted() from None


@dataclass(frozen=True)
class RunningServices:
    """What runs beside the machines: the class's service, by its process id, and the gateway."""

    service: int | None
    gateway: bool


def _missing(found: LoadedClass, now: Board, runs: RunningServices) -> list[str]:
    """Return in words what does not run although machines are up, and why the service ended."""
    rows = [*now.shared, *(row for seat in now.seats for row in seat.machines)]
    if not any(row.state is MachineState.UP for row in rows):
        return []
    again = f"`isolab class up {found.folder}` starts it again"
    words = []
    if (runs.service is None or not runs.gateway) and being_changed(found):
        return [f"another isolab is changing {found.name} now; students can come in when it is done"]
    if runs.service is None:
        so = "nobody is warned, nothing is collected, nothing ends in time, and nobody can check or hand in"
        why, _ = last_words(found)
        words.append(
            f"the class's service does not run: {so}; {again}" + (f"; it ended with: {why}" if why else "")
        )
    if not runs.gateway:
        so = "nobody gets in over SSH"
        words.append(f"the gateway does not run: {so}; {_BY_SERVICE if runs.service else again}")
    return words


def _away(now: Board) -> list[str]:
    """Return in words which hosts do not answer, and what that means."""
    rows = [*now.shared, *(row for seat in now.seats for row in seat.machines)]
    return [
        f"{why if why.startswith(f'{host}: ') else f'{host}: {why}'}\n  "
        f"{counted(sum(row.host == host for row in rows), 'machine')} there, and their home folders. "
        "When it is back, `isolab class up` brings up what is missing"
        for host, why in now.away.items()
    ]


def _text(found: LoadedClass, now: Board) -> str:
    rows: list[tuple[MachineRow, tuple[str, ...]]]
    rows = [(row, _cells(row, seat)) for seat in now.seats for row in seat.machines]
    rows += [(row, ("shared", *_machine_cells(row), "", "", "", "", "")) for row in now.shared]
    head: tuple[str, ...] = _HEAD
    if found.hosts is not None:
        head = (*_HEAD[:2], "HOST", *_HEAD[2:])
        rows = [(row, (*cells[:2], row.host, *cells[2:])) for row, cells in rows]
    up = sum(row.state == "up" for seat in now.seats for row in seat.machines)
    every = sum(len(seat.machines) for seat in now.seats)
    inside = sum(bool(seat.logged_in) for seat in now.seats)
    line = f"{found.name}: {up} of {every} machines up, {inside} of {len(now.seats)} in"
    return f"{table(head, [cells for _, cells in rows])}\n{line}"


def _machine_cells(row: MachineRow) -> tuple[str, str, str, str]:
    return row.place.machine, row.state.value, _short(row.since), mib(row.memory) if row.memory else ""


def _cells(row: MachineRow, seat: SeatRow) -> tuple[str, ...]:
    return (
        seat.seat.name,
        *_machine_cells(row),
        str(seat.logged_in or ""),
        _ago(seat.last_move),
        f"{len(seat.passed)} of {len(seat.checked)}" if seat.checked else "",
        str(len(seat.handed_in) or ""),
        _end(seat.ends) if seat.ends else "",
    )


def _end(moment: datetime) -> str:
    """Return when that is: without its date, if it is within a day."""
    near = abs((moment - datetime.now(UTC)).total_seconds()) < DAY_SECONDS
    return moment.astimezone().strftime("%H:%M %z" if near else "%Y-%m-%d %H:%M %z")


def _short(since: str) -> str:
    return datetime.fromisoformat(since).strftime("%Y-%m-%d %H:%M") if since else ""


def _ago(moment: datetime | None) -> str:
    """Return how long ago that was, in the largest unit that fits."""
    if moment is None:
        return ""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _data(found: LoadedClass, now: Board, runs: RunningServices) -> dict[str, Any]:
    return {
        "class": found.name,
        "service": runs.service,
        "gateway": runs.gateway,
        "seats": [_seat_data(seat) for seat in now.seats],
        "shared": [_machine_data(row) for row in now.shared],
        "away": dict(now.away),
    }


def _machine_data(row: MachineRow) -> dict[str, Any]:
    return {
        "machine": row.place.machine,
        "state": row.state,
        "since": row.since,
        "memory": row.memory,
        "host": row.host,
    }


def _seat_data(row: SeatRow) -> dict[str, Any]:
    return {
        "seat": row.seat.name,
        "students": [member.student.id for member in row.seat.members],
        "machines": [_machine_data(one) for one in row.machines],
        "logged_in": row.logged_in,
        "last_login": row.last_login and row.last_login.isoformat(),
        "last_move": row.last_move and row.last_move.isoformat(),
        "passed": {name: {"points": points, "of": most} for name, (points, most) in row.checked.items()},
        "handed_in": {name: time.isoformat() for name, time in row.handed_in.items()},
        "ends": row.ends and row.ends.isoformat(),
    }
