"""Which routes let whom in: every route is made by one of these, and each asks before anything else.

A student comes to her own seat only; the lecturer to all of them. Whether a seat exists is told to nobody
who may not enter it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from orchestrator.classes.model import Seat
from orchestrator.classes.web.pages import refusal
from orchestrator.classes.web.plainly import for_students
from orchestrator.classes.web.site import Site
from orchestrator.classes.web.tokens import Grant
from orchestrator.errors import LabError, SpecError

NO_SESSION, NOT_YOURS = 4401, 4403
"""Codes that close a WebSocket: RFC 6455 leaves 4000 to 4999 to applications."""


@dataclass(frozen=True)
class Visit:
    """A request that was let in. ``seat`` is the path's, None on the lecturer's routes."""

    site: Site
    grant: Grant
    seat: Seat | None

    @property
    def at(self) -> Seat:
        """The seat of a seat's route."""
        assert self.seat is not None
        return self.seat


Answer = Callable[[Request, Visit], Awaitable[Response]]
Talk = Callable[[WebSocket, Visit], Awaitable[None]]
SEAT, LECTURER = "/seats/{seat}", "/lecturer"


def seat_route(site: Site, path: str, answer: Answer, method: str = "GET") -> BaseRoute:
    """A route below a seat, for those of the seat and the lecturer."""
    return Route(f"{SEAT}{path}", _asking(site, answer), methods=[method])


def lecturer_route(site: Site, path: str, answer: Answer, method: str = "GET") -> BaseRoute:
    """A route for the lecturer alone."""
    return Route(f"{LECTURER}{path}", _asking(site, answer), methods=[method])


def seat_socket(site: Site, path: str, talk: Talk) -> BaseRoute:
    """A WebSocket below a seat, for those of the seat and the lecturer."""
    return WebSocketRoute(f"{SEAT}{path}", _asking_socket(site, talk))


def lecturer_socket(site: Site, path: str, talk: Talk) -> BaseRoute:
    """A WebSocket for the lecturer alone."""
    return WebSocketRoute(f"{LECTURER}{path}", _asking_socket(site, talk))


def _admitted(site: Site, grant: Grant, name: str | None) -> Visit | None:
    """Return the visit of whoever has this grant to a seat, or (None) to the lecturer's pages. Pure."""
    if name is None:
        return Visit(site, grant, None) if grant.lecturer else None
    seat = site.seats.get(name)
    return Visit(site, grant, seat) if seat and (grant.lecturer or grant.who == seat.name) else None


def _asking(site: Site, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        grant = await site.visitor(request)
        if grant is None:
            return refusal(site, 401)
        visit = _admitted(site, grant, request.path_params.get("seat"))
        if visit is None:
            return refusal(site, 403)
        try:
            return await answer(request, visit)
        except LabError as problem:
            return failure(problem)

    return endpoint


def _asking_socket(site: Site, talk: Talk) -> Callable[[WebSocket], Awaitable[None]]:
    async def endpoint(socket: WebSocket) -> None:
        grant = await site.visitor(socket)
        visit = _admitted(site, grant, socket.path_params.get("seat")) if grant else None
        if visit is None:
            # Accepted first: a browser shows a script no more than that a handshake was refused.
            await socket.accept()
            await socket.close(NO_SESSION if grant is None else NOT_YOURS)
            return
        await talk(socket, visit)

    return endpoint


def failure(problem: LabError) -> Response:
    """Return the answer for what could not be done. How this host runs things is for nobody's browser."""
    problem = for_students(problem)
    status = 400 if isinstance(problem, SpecError) else 503
    return JSONResponse({"error": problem.message, "hint": problem.hint}, status)
