"""A seat's page and what its buttons do. The lecturer sees the same page, to look on or to join."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute

from orchestrator.classes.web.admission import Visit, seat_route
from orchestrator.classes.web.board import names_of
from orchestrator.classes.web.machines import MOST_BYTES, plain_name, plain_path, too_big
from orchestrator.classes.web.pages import page
from orchestrator.classes.web.ports import LabView, Outcome
from orchestrator.classes.web.site import Site
from orchestrator.classes.web.terminals import MOST_TERMINALS
from orchestrator.deadline import Cancellation
from orchestrator.errors import SpecError
from orchestrator.formatting import printable
from orchestrator.report.html.markdown import to_html

MOST_KEY = 8192
"""Characters of a public key."""


def seat_routes(site: Site) -> list[BaseRoute]:
    """The routes of a seat but for its WebSockets."""
    return [
        seat_route(site, "/", _show),
        seat_route(site, "/readme", _readme),
        seat_route(site, "/machines", _machines),
        seat_route(site, "/files/{machine}", _files),
        seat_route(site, "/file/{machine}", _download),
        seat_route(site, "/file/{machine}", _upload, "PUT"),
        seat_route(site, "/check", _check, "POST"),
        seat_route(site, "/hand-in", _hand_in, "POST"),
        seat_route(site, "/reset", _reset, "POST"),
        seat_route(site, "/keys", _add_key, "POST"),
    ]


async def _show(_request: Request, visit: Visit) -> Response:
    actions, seat = visit.site.actions, visit.at
    labs, there = await visit.site.quick(lambda: (actions.labs(), actions.machines(seat)))
    wired = actions.wired
    return page(
        visit.site,
        "seat.html.j2",
        seat=seat,
        names=names_of(seat) or printable(seat.label),
        labs=labs,
        machines=there,
        lecturer=visit.grant.lecturer,
        can={
            "check": wired.check is not None,
            "hand_in": wired.hand_in is not None,
            "reset": wired.reset is not None,
            "add_key": wired.add_key is not None and not visit.grant.lecturer,
        },
        most=MOST_BYTES,
        terminals=MOST_TERMINALS,
    )


async def _readme(request: Request, visit: Visit) -> Response:
    lab, exercise = request.query_params.get("lab", ""), request.query_params.get("exercise", "")
    text = await visit.site.quick(lambda: visit.site.actions.readme(visit.at, lab, exercise))
    html = to_html(text) if text else to_html(f"The exercise `{printable(exercise)}` has no README.")
    return Response(str(html), media_type="text/html; charset=utf-8")


async def _machines(_request: Request, visit: Visit) -> Response:
    views = await visit.site.quick(lambda: visit.site.actions.machines(visit.at))
    return JSONResponse([{"name": view.name, "state": view.state, "up": view.up} for view in views])


async def _files(request: Request, visit: Visit) -> Response:
    folder = str(plain_path(request.query_params.get("folder", "")))
    machine = request.path_params["machine"]
    async with visit.site.transferring(visit.at.name):
        found = await visit.site.slow(lambda: visit.site.actions.files(visit.at, machine, folder))
    return JSONResponse([{"name": one.name, "folder": one.folder, "size": one.size} for one in found])


async def _download(request: Request, visit: Visit) -> Response:
    path = str(plain_path(request.query_params.get("path", "")))
    machine = request.path_params["machine"]
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(visit.site.transferring(visit.at.name))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isolab-web-")))
        file = await visit.site.slow(lambda: visit.site.actions.download(visit.at, machine, path, folder))
        kept = stack.pop_all()  # until all of it is sent
    name = Path(path).name or visit.at.name
    name = f"{name}.zip" if file.name == "archive.zip" and file.parent == folder else name
    # Never shown as a page of ours, whatever is in it.
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    }
    return FileResponse(
        file, media_type="application/octet-stream", headers=headers, background=BackgroundTask(kept.aclose)
    )


async def _upload(request: Request, visit: Visit) -> Response:
    machine = request.path_params["machine"]
    folder = str(plain_path(request.query_params.get("folder", "")))
    name = plain_name(request.query_params.get("name", ""))

    def send(content: Path) -> None:
        visit.site.actions.upload(visit.at, machine, folder, name, content)

    await with_body(request, visit.site, visit.at.name, send)
    return JSONResponse({"name": name})


async def with_body(request: Request, site: Site, whose: str, work: Callable[[Path], None]) -> None:
    """Do something with a request's body as a file of this host, which is removed afterwards."""
    async with site.transferring(whose):
        await _with_body(request, site, work)


async def _with_body(request: Request, site: Site, work: Callable[[Path], None]) -> None:
    with tempfile.NamedTemporaryFile(prefix="isolab-web-") as spooled:
        await _spool(request, site, spooled.file)
        await site.slow(lambda: work(Path(spooled.name)))


async def _spool(request: Request, site: Site, file: IO[bytes]) -> None:
    size = 0
    async for block in request.stream():
        size += len(block)
        if size > MOST_BYTES:
            raise too_big()
        await site.quick(lambda data=block: file.write(data))  # type: ignore[misc]
    await site.quick(file.flush)


async def _check(request: Request, visit: Visit) -> Response:
    about = await read_json(request)
    run, lab, exercise = visit.site.actions.wired.check, text(about, "lab"), text(about, "exercise")
    if run is None:
        raise SpecError("this server does not check exercises")
    _require_known(lab, exercise, await visit.site.quick(visit.site.actions.labs))
    return _started(visit, f"checking {exercise}", lambda stop: run(visit.at, lab, exercise, stop))


async def _hand_in(request: Request, visit: Visit) -> Response:
    about = await read_json(request)
    run, lab, exercise = visit.site.actions.wired.hand_in, text(about, "lab"), text(about, "exercise")
    if run is None:
        raise SpecError("nothing is handed in on this server")
    _require_known(lab, exercise, await visit.site.quick(visit.site.actions.labs))
    return _started(visit, f"handing in {exercise}", lambda _: run(visit.at, lab, [exercise]))


async def _reset(request: Request, visit: Visit) -> Response:
    about = await read_json(request)
    run, machine = visit.site.actions.wired.reset, text(about, "machine")
    if run is None:
        raise SpecError("machines are not reset on this server")
    if machine not in visit.site.found.machines.lab.machines:
        raise SpecError(f"you have no machine {printable(machine)[:40]!r}")
    site, seat, loop = visit.site, visit.at, asyncio.get_running_loop()

    def work(_: Cancellation) -> Outcome:
        asyncio.run_coroutine_threadsafe(site.room.close_machine(seat.name, machine), loop).result()
        return run(seat, machine)

    return _started(visit, f"resetting {machine}", work)


async def _add_key(request: Request, visit: Visit) -> Response:
    about = await read_json(request)
    run, line = visit.site.actions.wired.add_key, text(about, "key").strip()
    if run is None or visit.grant.lecturer:
        raise SpecError("keys are not added here")
    if not line or len(line) > MOST_KEY or not line.isprintable():
        raise SpecError(
            "this is no public key", hint="paste the one line of a file such as ~/.ssh/id_ed25519.pub"
        )
    said = await visit.site.quick(lambda: run(visit.at, line))
    return JSONResponse({"said": said})


def _require_known(lab: str, exercise: str, labs: Sequence[LabView]) -> None:
    for known in labs:
        if known.name == lab and any(one.name == exercise for one in known.exercises):
            return
    raise SpecError(f"no open lab {printable(lab)[:40]!r} with {printable(exercise)[:60]!r}")


def _started(visit: Visit, what: str, work: Callable[[Cancellation], Outcome]) -> Response:
    visit.site.jobs.start(visit.at.name, printable(what), work)
    return JSONResponse({"started": what}, 202)


async def read_json(request: Request) -> Mapping[str, object]:
    """Return a request's body, a JSON object. Raises SpecError for anything else."""
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SpecError("expected a JSON object")
    return found


def text(about: Mapping[str, object], key: str) -> str:
    """Return a string of a request. Raises SpecError if it is none."""
    value = about.get(key)
    if not isinstance(value, str):
        raise SpecError(f"expected {key}: a string")
    return value
