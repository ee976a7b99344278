"""Who a request comes from, and what every request and answer must have: origin, size, headers, rate.

Sources: RFC 6265bis (cookies, ``__Host-``), RFC 6455 section 10.2 (Origin), the Fetch standard
(Sec-Fetch-Site), the Content-Security-Policy (W3C, Level 3).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
MOST_BODY = 64 * 1024
"""Bytes of a request's body; uploads have a limit of their own."""
SAFE = ("GET", "HEAD")
MOST_ADDRESSES = 10_000


class BodyTooLarge(Exception):
    """A request has a larger body than it may."""


def cookie_name(connection: HTTPConnection) -> str:
    """Return the name of the session's cookie; by HTTPS with the prefix that only this very host can set."""
    return "__Host-isolab" if is_secure(connection.scope) else "isolab"


def is_secure(scope: Scope) -> bool:
    """Whether the browser came by HTTPS; behind a proxy on this host, that says so."""
    return scope["scheme"] in ("https", "wss")


def own_origin(scope: Scope) -> str:
    """Return the origin of our own pages, as this browser knows us."""
    return f"{'https' if is_secure(scope) else 'http'}://{Headers(scope=scope).get('host', '')}".lower()


def from_own_page(scope: Scope) -> bool:
    """Whether a request that changes something, or a WebSocket, comes from one of our own pages.

    Browsers name the origin; one that does not, on a form, says at least whether it is the same site's. A
    WebSocket must name it.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() == own_origin(scope)
    return scope["type"] == "http" and headers.get("sec-fetch-site") == "same-origin"


class Guard:
    """ASGI middleware: refuses what no page of ours sends, bounds bodies, and adds the headers."""

    def __init__(self, app: ASGIApp, larger: Iterable[tuple[str, int]] = ()) -> None:
        """``larger`` are methods whose bodies have another limit than MOST_BODY, in bytes."""
        self._app = app
        self._larger = dict(larger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            if not from_own_page(scope):
                await _refuse_socket(receive, send)
                return
            await self._app(scope, receive, send)
            return
        outgoing = _with_headers(send)
        if scope["method"] not in SAFE and not from_own_page(scope):
            answer = PlainTextResponse("This request does not come from a page of this server.\n", 403)
            await answer(scope, receive, outgoing)
            return
        limit = self._larger.get(scope["method"], MOST_BODY)
        if _announced(scope) > limit:
            await PlainTextResponse("That is too large.\n", 413)(scope, receive, outgoing)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await outgoing(message)

        try:
            await self._app(scope, _bounded(receive, limit), noting)
        except BodyTooLarge:
            if not started:
                await PlainTextResponse("That is too large.\n", 413)(scope, receive, outgoing)


def _announced(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _bounded(receive: Receive, limit: int) -> Receive:
    count = 0

    async def counting() -> Message:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > limit:
            raise BodyTooLarge
        return message

    return counting


def _with_headers(send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return adding


async def _refuse_socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008})


@dataclass
class Rate:
    """At most ``most`` in ``seconds`` for each key: tries of tokens by address, say."""

    most: int
    seconds: float
    _tries: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)

    def note(self, key: str) -> None:
        """Count one for this key."""
        tries = self._recent(key)
        tries.append(time.monotonic())
        self._tries[key] = tries[-self.most :]
        self._tries.move_to_end(key)
        while len(self._tries) > MOST_ADDRESSES:
            self._tries.popitem(last=False)

    def exceeded(self, key: str) -> bool:
        """Whether this key has had its share."""
        return len(self._recent(key)) >= self.most

    def _recent(self, key: str) -> list[float]:
        since = time.monotonic() - self.seconds
        return [one for one in self._tries.get(key, []) if one > since]
