"""The way in: a personal link becomes a session, and what everybody may have without one."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.classes.web.guard import cookie_name, is_secure
from orchestrator.classes.web.pages import page, refusal
from orchestrator.classes.web.site import Site
from orchestrator.classes.web.tokens import LINK_PATH, Grant

MOST_TOKEN = 128
"""Characters of a token that are looked at."""


def entrance_routes(site: Site) -> list[BaseRoute]:
    """The routes that ask for no session."""

    async def link(request: Request) -> Response:
        address = request.client.host if request.client else ""
        if site.wrong_tokens.exceeded(address):
            return refusal(site, 429)
        token = request.path_params["token"]
        entered = await site.quick(lambda: site.tokens.enter(token)) if len(token) <= MOST_TOKEN else None
        if entered is None:
            site.wrong_tokens.note(address)
            return refusal(site, 401)
        secret, grant = entered
        # No redirect: whoever follows the link in a mail comes from another site, and with SameSite=Strict
        # the browser would not send the cookie to where such a request is redirected. It does for a page's
        # own refresh, which leaves no entry with the token in the history either.
        answer = page(site, "entered.html.j2", target=home_of(grant))
        answer.set_cookie(
            cookie_name(request),
            secret,
            max_age=max(1, int((grant.expires - datetime.now(UTC)).total_seconds())),
            path="/",
            secure=is_secure(request.scope),
            httponly=True,
            samesite="strict",
        )
        return answer

    async def root(request: Request) -> Response:
        grant = await site.visitor(request)
        return refusal(site, 401) if grant is None else RedirectResponse(home_of(grant), 303)

    async def leave(request: Request) -> Response:
        secret = request.cookies.get(cookie_name(request), "")
        await site.quick(lambda: site.tokens.leave(secret))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(
            cookie_name(request), path="/", secure=is_secure(request.scope), httponly=True, samesite="strict"
        )
        return answer

    async def static(request: Request) -> Response:
        asset = site.assets.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("There is no such file.\n", 404)
        fresh = request.query_params.get("v") == asset.tag
        kept = "public, max-age=31536000, immutable" if fresh else "no-cache"
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": kept})

    return [
        Route(LINK_PATH + "{token}", link),
        Route("/", root),
        Route("/leave", leave, methods=["POST"]),
        Route("/static/{name}", static),
    ]


def home_of(grant: Grant) -> str:
    """Return the path of whoever's own page. Pure."""
    return "/lecturer/" if grant.lecturer else f"/seats/{grant.who}/"
