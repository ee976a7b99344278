"""The way in: a personal link becomes a session, and what everybody may have without one."""

from __future__ import annotations

from dataclasses import dataclass
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
    door = _Entrance(site)
    return [
        Route(LINK_PATH + "{token}", door.link),
        Route("/", door.root),
        Route("/leave", door.leave, methods=["POST"]),
        Route("/static/{name}", door.static),
    ]


@dataclass(frozen=True)
class _Entrance:
    site: Site

    async def link(self, request: Request) -> Response:
        """Begin a session by a personal link."""
        site = self.site
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

    async def root(self, request: Request) -> Response:
        """Lead everybody to her own page."""
        grant = await self.site.visitor(request)
        return refusal(self.site, 401) if grant is None else RedirectResponse(home_of(grant), 303)

    async def leave(self, request: Request) -> Response:
        """End the session."""
        secret = request.cookies.get(cookie_name(request), "")
        await self.site.quick(lambda: self.site.tokens.leave(secret))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(
            cookie_name(request), path="/", secure=is_secure(request.scope), httponly=True, samesite="strict"
        )
        return answer

    async def static(self, request: Request) -> Response:
        """Return a script, a style or a picture."""
        asset = self.site.assets.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("There is no such file.\n", 404)
        fresh = request.query_params.get("v") == asset.tag
        kept = "public, max-age=31536000, immutable" if fresh else "no-cache"
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": kept})


def home_of(grant: Grant) -> str:
    """Return the path of whoever's own page. Pure."""
    return "/lecturer/" if grant.lecturer else f"/seats/{grant.who}/"
