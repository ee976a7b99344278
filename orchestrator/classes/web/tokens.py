"""Personal links, and the sessions of browsers that opened one.

A link holds a token, bound to a seat or to the lecturer. Whoever opens it gets a session: a cookie with a
secret of its own, that ends with the link. Of both only digests are stored: who reads the database can open
nothing. A digest without salt or stretching will do, since the secrets are random, 192 bits each.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.classes.listen import parse_listen
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import DATABASE, class_state
from orchestrator.errors import SpecError
from orchestrator.host.sqlite import Database
from orchestrator.labfile.ssh_endpoint import Endpoint

LECTURER = "@lecturer"
"""Whom a link is for that is no seat's: no seat has such a name."""
LINK_PATH = "/s/"
SECRET_BYTES = 24
MOST_SESSIONS = 32
"""Of one link at once; the oldest end first."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS web_access (
    digest TEXT PRIMARY KEY, link TEXT NOT NULL, who TEXT NOT NULL,
    created REAL NOT NULL, expires REAL NOT NULL
)
"""
# A link's own row has the link "", a session's has the digest of the link that it began with.


@dataclass(frozen=True)
class Grant:
    """Whom a link or a session lets in: a seat's name or LECTURER; until when."""

    who: str
    expires: datetime

    @property
    def lecturer(self) -> bool:
        return self.who == LECTURER


class Tokens:
    """The links and sessions of a class, on disk. Safe to use from several threads and processes."""

    def __init__(self, found: LoadedClass) -> None:
        """Raises Unavailable."""
        self._database = Database(class_state(found) / DATABASE, _SCHEMA)
        self._known = {seat.name for seat in found.seats} | {LECTURER}

    def new_link(self, who: str, lifetime: timedelta) -> str:
        """Return a fresh token for a seat or the lecturer: shown once, since only its digest is kept."""
        if who not in self._known:
            raise SpecError(f"the class has no seat {who!r}", hint="seats are those of the roster")
        return self._new(who, "", time.time() + lifetime.total_seconds())

    def enter(self, token: str) -> tuple[str, Grant] | None:
        """Begin a session by a link's token; returns its secret, or None for a token that is not valid."""
        link = _digest(token)
        found = self._valid(link, session=False)
        if found is None:
            return None
        secret = self._new(found.who, link, found.expires.timestamp())
        with self._database.opened() as database:
            database.execute(
                "DELETE FROM web_access WHERE link = ? AND digest NOT IN"
                " (SELECT digest FROM web_access WHERE link = ? ORDER BY created DESC, rowid DESC LIMIT ?)",
                (link, link, MOST_SESSIONS),
            )
        return secret, found

    def session(self, secret: str) -> Grant | None:
        """Return whom a session's secret lets in; None once it has ended."""
        return self._valid(_digest(secret), session=True)

    def leave(self, secret: str) -> None:
        """End a session."""
        with self._database.opened() as database:
            database.execute("DELETE FROM web_access WHERE digest = ? AND link <> ''", (_digest(secret),))

    def revoke(self, who: str) -> int:
        """End all links and sessions of a seat or the lecturer; returns how many links."""
        with self._database.opened() as database:
            (count,) = database.execute(
                "SELECT COUNT(*) FROM web_access WHERE who = ? AND link = ''", (who,)
            ).fetchone()
            database.execute("DELETE FROM web_access WHERE who = ?", (who,))
        return int(count)

    def end_links(self, who: str) -> None:
        """End all links of a seat or the lecturer; who is in stays in."""
        with self._database.opened() as database:
            database.execute("DELETE FROM web_access WHERE who = ? AND link = ''", (who,))

    def _new(self, who: str, link: str, expires: float) -> str:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        with self._database.opened() as database:
            database.execute("DELETE FROM web_access WHERE expires < ?", (time.time(),))
            database.execute(
                "INSERT INTO web_access VALUES (?, ?, ?, ?, ?)",
                (_digest(secret), link, who, time.time(), expires),
            )
        return secret

    def _valid(self, digest: str, *, session: bool) -> Grant | None:
        with self._database.opened() as database:
            row = database.execute(
                "SELECT who, expires, link FROM web_access WHERE digest = ?", (digest,)
            ).fetchone()
        if row is None or bool(row[2]) != session or row[1] <= time.time() or row[0] not in self._known:
            return None
        return Grant(row[0], datetime.fromtimestamp(row[1], UTC))


def issue(found: LoadedClass, who: str, lifetime: timedelta) -> str:
    """Return a new personal link for a seat, or for LECTURER. It is shown once: only its digest is kept.
    Links issued before go on. Raises SpecError for an unknown seat or a class without a web server,
    Unavailable."""
    return f"{base_url(found)}{LINK_PATH}{Tokens(found).new_link(who, lifetime)}"


def issue_only(found: LoadedClass, who: str, lifetime: timedelta) -> str:
    """Return a new personal link as ``issue`` does, and end those issued before: nobody comes in by them any
    more, who is in stays in. Raises SpecError, Unavailable."""
    base = base_url(found)
    tokens = Tokens(found)
    tokens.end_links(who)
    return f"{base}{LINK_PATH}{tokens.new_link(who, lifetime)}"


def behind_a_proxy(found: LoadedClass) -> str:
    """Return a sentence on the proxy that links of this class lead to; "" where there is none to be. Raises
    SpecError for a class without a web server."""
    place, host = web_endpoint(found), found.spec.access.host
    if not is_loopback(place.host) or not host:
        return ""
    return (
        f"links lead to https://{host}: a web server there has to pass requests on to "
        f"http://{_bracketed(place.host)}:{place.port}, since `access: web` is an address of this host only"
    )


def revoke(found: LoadedClass, who: str) -> int:
    """End all links and sessions of a seat, or of LECTURER; returns how many links there were."""
    return Tokens(found).revoke(who)


def base_url(found: LoadedClass) -> str:
    """Return how people reach the web server, without a path. Raises SpecError without one.

    A server on the loopback is reached by HTTP, and where the class names a host, through a proxy there.
    """
    place = web_endpoint(found)
    host = found.spec.access.host
    if is_loopback(place.host):
        return f"https://{host}" if host else f"http://{_bracketed(place.host)}:{place.port}"
    named = host or (_own_name() if place.host in ("0.0.0.0", "::", "") else place.host)
    return f"https://{_bracketed(named)}:{place.port}"


def _own_name() -> str:
    full = socket.getfqdn()
    return socket.gethostname() if full.startswith("localhost") else full


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def web_endpoint(found: LoadedClass) -> Endpoint:
    """Return where the web server listens. Raises SpecError without one, or for no address and port."""
    text = found.spec.access.web
    if text is None:
        raise SpecError(
            f"class {found.name!r} has no web server",
            hint="add one to the class file: access: {web: 0.0.0.0:8443}",
        )
    try:
        return parse_listen(text)
    except ValueError as problem:
        raise SpecError(f"access: web: {text!r}: {problem}", hint="such as 0.0.0.0:8443") from None


def is_loopback(host: str) -> bool:
    """Whether only this host reaches this address."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
