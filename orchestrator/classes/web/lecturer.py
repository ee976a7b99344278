"""The lecturer's board, and what is done to all: a message, a file, more time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket

from orchestrator.classes.model import Seat
from orchestrator.classes.web.admission import Visit, lecturer_route, lecturer_socket
from orchestrator.classes.web.board import missing
from orchestrator.classes.web.hub import time_news
from orchestrator.classes.web.machines import plain_name
from orchestrator.classes.web.pages import moment, page
from orchestrator.classes.web.ports import BoardRow
from orchestrator.classes.web.site import Site
from orchestrator.classes.web.sockets import Pump, hold
from orchestrator.classes.web.student import read_json, text, with_body
from orchestrator.errors import LabError, SpecError
from orchestrator.formatting import printable

LOOK_SECONDS = 2.0
"""How often the board is looked at anew while somebody has it open."""
MOST_TEXT = 2000
"""Characters of a message."""
MOST_MINUTES = 7 * 24 * 60


def lecturer_routes(site: Site) -> list[BaseRoute]:
    """The lecturer's routes."""
    return [
        lecturer_route(site, "/", _show),
        lecturer_route(site, "/message", _message, "POST"),
        lecturer_route(site, "/file", _push, "PUT"),
        lecturer_route(site, "/extend", _extend, "POST"),
        lecturer_socket(site, "/board", follow),
    ]


async def _show(_request: Request, visit: Visit) -> Response:
    site = visit.site
    rows = await _rows(site)
    ends = await _end(site)
    return page(
        site,
        "board.html.j2",
        rows=[_json(row) for row in rows],
        summary=summary(rows),
        ends=time_news(ends)["time"],
        can_extend=site.actions.wired.extend is not None,
    )


async def _message(request: Request, visit: Visit) -> Response:
    about = await read_json(request)
    words = printable(text(about, "text").strip(), keep="\n")
    if not words or len(words) > MOST_TEXT:
        raise SpecError(f"a message has 1 to {MOST_TEXT} characters")
    seats = _meant(visit.site, about)
    await visit.site.slow(lambda: visit.site.actions.tell(seats, words))
    await visit.site.look()
    return JSONResponse({"said": f"sent to {len(seats)}"})


async def _push(request: Request, visit: Visit) -> Response:
    site, name = visit.site, plain_name(request.query_params.get("name", ""))
    failed: dict[str, str] = {}

    def send(content: Path) -> None:
        failed.update(site.actions.push(site.found.seats, name, content))

    await with_body(request, site, visit.grant.who, send)
    count = len(site.found.seats) - len(failed)
    lines = [f"{printable(who)}: {printable(why)}" for who, why in list(failed.items())[:20]]
    return JSONResponse({"said": f"{printable(name)} copied to {count}", "failed": lines})


async def _extend(request: Request, visit: Visit) -> Response:
    run = visit.site.actions.wired.extend
    if run is None:
        raise SpecError("this class has no end to be extended")
    about = await read_json(request)
    minutes = about.get("minutes")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 0 < minutes <= MOST_MINUTES:
        raise SpecError(f"expected minutes, from 1 to {MOST_MINUTES}")
    seats = _meant(visit.site, about)
    await visit.site.slow(lambda: run(seats, 60.0 * minutes))
    await visit.site.look()
    ends = await _end(visit.site)
    said = f"extended, until {moment(ends)}" if ends else "extended"
    return JSONResponse({"said": said, "ends": time_news(ends)["time"]})


async def follow(socket: WebSocket, visit: Visit) -> None:
    """Send rows as they change, and the end as it changes."""
    await socket.accept()
    pump = Pump(socket)
    await hold(pump, visit, lambda _: None, _watch_board(pump, visit.site))


async def _watch_board(pump: Pump, site: Site) -> None:
    known: Mapping[str, object] = {}
    told = ""
    while True:
        try:
            rows, ends = await _rows(site), time_news(await _end(site))
        except LabError as problem:
            pump.tell({"kind": "note", "text": problem.message})
        else:
            fresh = {row.seat: _json(row) for row in rows}
            if changed := [one for seat, one in fresh.items() if known.get(seat) != one]:
                pump.tell({"kind": "rows", "rows": changed, "summary": summary(rows)})
            if told != ends["time"]:
                pump.tell(ends)
            known, told = fresh, str(ends["time"])
        await asyncio.sleep(LOOK_SECONDS)


async def _rows(site: Site) -> Sequence[BoardRow]:
    in_browser = site.in_browser()
    return await site.quick(lambda: site.actions.board(in_browser))


async def _end(site: Site) -> datetime | None:
    """Return when the first machines are taken down, None for never."""
    return min((await site.quick(site.actions.ends)).values(), default=None)


def summary(rows: Sequence[BoardRow]) -> dict[str, int]:
    """Return the figures above the board. Pure."""
    return {
        "seats": len(rows),
        "up": len(rows) - len(missing(rows)),
        "in": sum(bool(row.present) for row in rows),
        "handed_in": sum(any(one.handed_in for one in row.progress) for row in rows),
    }


def _json(row: BoardRow) -> dict[str, object]:
    states = [view for view in row.machines if not view.up]
    return {
        "seat": row.seat,
        "label": row.label,
        "names": row.names,
        "machines": ", ".join(f"{view.name} {view.state}" for view in states)
        or ("up" if row.machines else "not up"),
        "up": bool(row.machines) and not states,
        "present": row.present,
        "progress": [
            {
                "lab": one.lab,
                "passed": one.passed,
                "total": one.total,
                "handed_in": one.handed_in.isoformat() if one.handed_in else "",
            }
            for one in row.progress
        ],
        "moved": row.moved.isoformat(timespec="seconds") if row.moved else "",
        "last": row.last,
    }


def _meant(site: Site, about: Mapping[str, object]) -> list[Seat]:
    """Return the seats a request names; all if it names none. Raises SpecError."""
    names = about.get("seats", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name in site.seats for name in names):
        raise SpecError("expected seats: names of seats of this class")
    return [site.seats[name] for name in names] or list(site.found.seats)
