"""The web application of a class: its routes behind the guard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.web.assets import Asset
from orchestrator.classes.web.entrance import entrance_routes
from orchestrator.classes.web.guard import Guard
from orchestrator.classes.web.lecturer import lecturer_routes
from orchestrator.classes.web.machines import MOST_BYTES
from orchestrator.classes.web.pages import refusal
from orchestrator.classes.web.ports import Actions
from orchestrator.classes.web.site import Site
from orchestrator.classes.web.sockets import seat_sockets
from orchestrator.classes.web.student import seat_routes
from orchestrator.classes.web.tokens import Tokens


def create_app(found: LoadedClass, actions: Actions, assets: Mapping[str, Asset]) -> Starlette:
    """Return the application of a class. ``assets`` are from ``assets.all_assets``. Raises Unavailable."""
    site = Site(found, actions, Tokens(found), assets)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await site.begin()
        following = asyncio.create_task(site.follow())
        try:
            yield
        finally:
            following.cancel()
            await site.close()

    async def not_found(_request: Request, problem: Exception) -> Response:
        status = problem.status_code if isinstance(problem, HTTPException) else 404
        return refusal(site, 404) if status == 404 else Response(status_code=status)

    app = Starlette(
        routes=[*entrance_routes(site), *seat_routes(site), *seat_sockets(site), *lecturer_routes(site)],
        middleware=[Middleware(Guard, larger=[("PUT", MOST_BYTES)])],
        exception_handlers={HTTPException: not_found},
        lifespan=lifespan,
    )
    app.state.site = site
    return app
