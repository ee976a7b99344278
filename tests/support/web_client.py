"""Browsers of a class's web server without a network: Starlette's client, signed in as somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from class_in_browser import MadeUp, made_class
from places import LABS
from starlette.testclient import TestClient, WebSocketTestSession

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.web.app import create_app
from orchestrator.classes.web.assets import Asset
from orchestrator.classes.web.site import Site
from orchestrator.classes.web.tokens import Tokens

ORIGIN = "https://testserver"
HOUR = timedelta(hours=1)
ASSETS: Mapping[str, Asset] = {
    name: Asset(b"/* */", "text/css", "tag")
    for name in (
        "icon.svg",
        "style.css",
        "page.js",
        "terminal.js",
        "student.js",
        "board.js",
        "xterm.js",
        "xterm.css",
        "xterm-addon-fit.js",
    )
}


@dataclass(frozen=True)
class Served:
    """An application, what is behind it, and its state."""

    found: LoadedClass
    actions: MadeUp
    tokens: Tokens
    client: TestClient

    @property
    def site(self) -> Site:
        site = self.client.app.state.site  # type: ignore[attr-defined]
        assert isinstance(site, Site)
        return site

    def secret(self, who: str, lifetime: timedelta = HOUR) -> str:
        """The secret of a session that somebody has begun."""
        entered = self.tokens.enter(self.tokens.new_link(who, lifetime))
        assert entered is not None
        return entered[0]

    def socket(self, path: str, headers: Mapping[str, str]) -> WebSocketTestSession:
        """A WebSocket, over TLS as well."""
        return self.client.websocket_connect(f"wss://testserver{path}", headers=dict(headers))

    def headers(self, who: str = "", **more: str) -> dict[str, str]:
        """What a browser sends from one of our own pages."""
        cookie = {"Cookie": f"__Host-isolab={self.secret(who)}"} if who else {}
        return {"Origin": ORIGIN, **cookie, **more}


@contextmanager
def served(folder: Path, students: int = 2, **more: object) -> Iterator[Served]:
    """A class's application, asked by HTTPS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOLAB_STATE", str(folder / "state"))
        found = made_class(folder / "class", students, str(LABS / "small"), **more)
        actions = MadeUp(found)
        app = create_app(found, actions, ASSETS)
        with TestClient(app, base_url=ORIGIN, follow_redirects=False) as client:
            yield Served(found, actions, Tokens(found), client)
