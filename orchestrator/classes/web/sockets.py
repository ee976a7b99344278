"""The WebSockets: a terminal, and the news of a seat.

A browser sends little and slowly; what is sent to it goes through a queue, so that nothing here waits for it
but its own task. A socket is closed when its session has ended or was revoked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field

from starlette.routing import BaseRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from orchestrator.classes.web.admission import NO_SESSION, Visit, seat_socket
from orchestrator.classes.web.hub import Listener
from orchestrator.classes.web.plainly import for_students
from orchestrator.classes.web.ports import Pty
from orchestrator.classes.web.site import Site
from orchestrator.classes.web.terminals import MOST_TERMINALS, Terminal, Viewer, bounded_size
from orchestrator.errors import LabError, SpecError

ASK_SECONDS = 15.0
"""How often the session of an open socket is looked up again."""
MOST_MESSAGE = 64 * 1024
"""Bytes of a message from a browser."""
MOST_NEWS = 1000
"""Messages without an answer that wait for one browser."""
MOST_PAGES = 16
"""Open pages of one seat."""
CANNOT, TRY_AGAIN, TOO_MANY = 4400, 4503, 4429


@dataclass(eq=False)
class Pump:
    """The way to one browser. ``tell`` and ``send`` never wait; one that does not read is let go."""

    socket: WebSocket
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 1000
    _queue: asyncio.Queue[bytes | str] = field(default_factory=asyncio.Queue)

    def tell(self, news: Mapping[str, object]) -> None:
        self._put(json.dumps(news))

    def send(self, data: bytes) -> None:
        self._put(data)

    def drop(self, code: int = TRY_AGAIN) -> None:
        """Close the socket; the page may come back."""
        self.code = code
        self.closed.set()

    def _put(self, item: bytes | str) -> None:
        if self._queue.qsize() >= MOST_NEWS:
            self.drop()
        else:
            self._queue.put_nowait(item)

    async def run(self) -> None:
        """Send what is queued until it fails."""
        while True:
            item = await self._queue.get()
            if isinstance(item, str):
                await self.socket.send_text(item)
                continue
            blocks = [item]
            while not self._queue.empty() and isinstance(self._queue._queue[0], bytes):  # type: ignore[attr-defined]
                blocks.append(self._queue.get_nowait())  # type: ignore[arg-type]
            await self.socket.send_bytes(b"".join(blocks))

    async def watch(self, visit: Visit) -> None:
        """Wait until the session has ended."""
        while True:
            await asyncio.sleep(ASK_SECONDS)
            grant = await visit.site.visitor(self.socket)
            if grant is None or grant.who != visit.grant.who:
                self.drop(NO_SESSION)
                return


async def hold(
    pump: Pump, visit: Visit, hear: Callable[[bytes | str], None], *more: Coroutine[object, object, object]
) -> None:
    """Serve an accepted socket until the browser goes, ``drop`` was called, the session ends, or one of
    ``more`` ends; then close it. ``hear`` gets what the browser says."""
    works = (pump.run(), pump.watch(visit), pump.closed.wait(), _listen(pump, hear), *more)
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await close(pump.socket, pump.code)
    for task in tasks:
        problem = None if task.cancelled() else task.exception()
        if problem is not None and not isinstance(problem, _GONE):
            raise problem


_GONE = (WebSocketDisconnect, OSError, RuntimeError)
"""What a browser that has gone away is seen by."""


async def _listen(pump: Pump, hear: Callable[[bytes | str], None]) -> None:
    while True:
        message = await pump.socket.receive()
        if message["type"] != "websocket.receive":
            return
        said = message.get("bytes") or message.get("text") or ""
        if len(said) > MOST_MESSAGE:
            pump.drop(CANNOT)
            return
        hear(said)


async def close(socket: WebSocket, code: int) -> None:
    """Close a socket, if the browser has not."""
    if WebSocketState.DISCONNECTED not in (socket.client_state, socket.application_state):
        with contextlib.suppress(*_GONE):
            await socket.close(code)


def seat_sockets(site: Site) -> list[BaseRoute]:
    """The WebSockets of a seat."""
    return [
        seat_socket(site, "/terminals/{machine}/{number:int}", terminal),
        seat_socket(site, "/news", news),
    ]


async def news(socket: WebSocket, visit: Visit) -> None:
    """Tell a page what happens at its seat."""
    site, seat = visit.site, visit.at.name
    await socket.accept()
    if site.hub.count(seat) >= MOST_PAGES:
        await close(socket, TOO_MANY)
        return
    pump = Pump(socket)
    with contextlib.suppress(LabError):  # told with the next look
        await site.look()
    listener = site.hub.join(seat, counts=not visit.grant.lecturer)
    try:
        listener.tell(site.open_terminals(seat))
        if (last := site.jobs.last(seat)) is not None:
            listener.tell(last)
        await hold(pump, visit, _ignore, _forward(listener, pump))
    finally:
        site.hub.leave(listener)


async def _forward(listener: Listener, pump: Pump) -> None:
    while (one := await listener.queue.get()) is not None:
        pump.tell(one)
    pump.drop()


def _ignore(said: bytes | str) -> None:
    """A page of news has nothing to say."""


async def terminal(socket: WebSocket, visit: Visit) -> None:
    """Show a terminal; what is typed reaches it, from the lecturer only where asked to."""
    site, seat = visit.site, visit.at
    await socket.accept()
    pump = Pump(socket)
    try:
        shown = await _opened(socket, visit)
        joins = not visit.grant.lecturer or socket.query_params.get("mode") == "join"
        viewer = Viewer(visit.grant.lecturer, joins, pump.send, pump.tell, pump.drop, size=_size(socket))
        shown.attach(viewer)
    except LabError as cause:
        problem = for_students(cause)
        with contextlib.suppress(*_GONE):
            await socket.send_text(
                json.dumps({"kind": "error", "text": problem.message, "hint": problem.hint})
            )
        await close(socket, CANNOT if isinstance(problem, SpecError) else TRY_AGAIN)
        return

    def hear(said: bytes | str) -> None:
        if isinstance(said, bytes):
            shown.type(viewer, said)
            if not visit.grant.lecturer:
                site.note_typing(seat.name)
        else:
            _heard(shown, viewer, said)

    try:
        await hold(pump, visit, hear)
    finally:
        shown.detach(viewer)


async def _opened(socket: WebSocket, visit: Visit) -> Terminal:
    site, seat = visit.site, visit.at
    machine, number = socket.path_params["machine"], socket.path_params["number"]
    if machine not in site.found.machines.lab.machines or not 1 <= number <= MOST_TERMINALS:
        raise SpecError(f"there are terminals 1 to {MOST_TERMINALS} of each of your machines only")
    place = (seat.name, machine, number)
    only_looks = visit.grant.lecturer and socket.query_params.get("mode") != "join"
    if only_looks and site.room.find(place) is None:
        raise SpecError("nobody has this terminal open", hint="join in, and it is opened")
    columns, rows = _size(socket)

    async def log_in() -> Pty:
        return await site.quick(lambda: site.actions.open_terminal(seat, machine, columns, rows))

    return await site.room.enter(place, log_in, (columns, rows))


def _heard(shown: Terminal, viewer: Viewer, said: str) -> None:
    """Do what a page says of itself; anything else is ignored."""
    try:
        about = json.loads(said)
    except (ValueError, RecursionError):
        return
    match about:
        case {"kind": "size", "columns": int(columns), "rows": int(rows)}:
            shown.resize(viewer, columns, rows)
        case {"kind": "shown", "bytes": int(count)}:
            shown.shown(viewer, count)
        case {"kind": "join", "types": bool(types)} if viewer.lecturer:
            shown.let_type(viewer, types)
        case _:
            pass


def _size(socket: WebSocket) -> tuple[int, int]:
    return bounded_size(_number(socket, "columns", 80), _number(socket, "rows", 24))


def _number(socket: WebSocket, name: str, default: int) -> int:
    text = socket.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 5 else default
