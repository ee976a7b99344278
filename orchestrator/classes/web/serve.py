"""Run the web server of a class: HTTPS, or HTTP on the loopback behind a proxy.

Source: the documentation of Uvicorn ("Settings", "Deployment").
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.web.tokens import base_url, is_loopback, web_endpoint
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import LabError, Unavailable
from orchestrator.host.extras import how_to_install

if TYPE_CHECKING:
    from orchestrator.classes.web.ports import Actions

FETCH_SECONDS = 300.0
START_SECONDS = 30.0
STOP_SECONDS = 5
"""How long open requests may take to end when the server stops."""
BACKLOG = 512
OPEN_FILES = 16384
_NEEDED = ("starlette", "uvicorn", "websockets")


@dataclass(frozen=True)
class Running:
    """A web server that listens. ``fingerprint`` is its certificate's, "" for plain HTTP; ``made``: the
    certificate is our own, so that browsers warn."""

    url: str
    port: int
    fingerprint: str
    made: bool


@contextlib.contextmanager
def serving(found: LoadedClass, actions: Actions) -> Iterator[Running]:
    """Serve a class for a ``with`` block, in a thread; yields once it listens. At the end open pages are let
    go and terminals hung up; machines stay.

    Raises Unavailable when the address is taken or a library is missing, SpecError for a wrong address or
    certificate, ImageError when xterm.js cannot be fetched.
    """
    _require_libraries()
    import uvicorn

    from orchestrator.classes.web import assets
    from orchestrator.classes.web.app import create_app
    from orchestrator.classes.web.certificate import certificate_of

    place = web_endpoint(found)
    plain = is_loopback(place.host)
    pair = None if plain else certificate_of(found)
    fingerprint = pair.fingerprint if pair is not None else ""
    loaded = assets.all_assets(assets.xterm_folder(Deadline.after(FETCH_SECONDS)))
    _allow_open_files()
    with contextlib.closing(_listening(place.host, place.port)) as listener:
        config = uvicorn.Config(
            create_app(found, actions, loaded),
            log_config=None,
            access_log=False,
            server_header=False,
            # A proxy on this host says how and from where a browser came; nobody else is believed.
            proxy_headers=plain,
            forwarded_allow_ips="127.0.0.1,::1" if plain else "",
            ws="websockets-sansio",
            ws_max_size=64 * 1024,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=32 * 1024,
            timeout_graceful_shutdown=STOP_SECONDS,
            ssl_certfile=pair.certificate if pair is not None else None,
            ssl_keyfile=pair.key if pair is not None else None,
        )
        with _in_thread(uvicorn.Server(config), listener):
            port = listener.getsockname()[1]
            yield Running(base_url(found), port, fingerprint, made=pair is not None and pair.made)


@contextlib.contextmanager
def _in_thread(server: object, listener: socket.socket) -> Iterator[None]:
    import uvicorn

    assert isinstance(server, uvicorn.Server)
    problems: list[BaseException] = []

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as problem:  # noqa: BLE001 - told to whoever started it
            problems.append(problem)

    log = logging.StreamHandler()
    log.setLevel(logging.ERROR)  # mistakes of ours, and not what strangers send
    log.setFormatter(logging.Formatter("web server: %(message)s"))
    logging.getLogger("uvicorn").addHandler(log)
    thread = threading.Thread(target=run, name="web", daemon=True)
    thread.start()
    try:
        poll(
            lambda: server.started or bool(problems), Deadline.after(START_SECONDS), "starting the web server"
        )
        if problems:
            raise LabError(f"the web server does not start: {problems[0]}")
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS + 10)
        logging.getLogger("uvicorn").removeHandler(log)


def require_place(found: LoadedClass) -> None:
    """Raise Unavailable if a class's web server that does not run cannot: a library is missing, or its
    address is taken."""
    _require_libraries()
    place = web_endpoint(found)
    _listening(place.host, place.port).close()


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises Unavailable."""
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][
            0
        ]
        listener = socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::"
        )
    except OSError as problem:
        raise _cannot_listen(host, port, problem) from None
    listener.set_inheritable(False)
    return listener


def _cannot_listen(host: str, port: int, problem: OSError) -> Unavailable:
    where = f"{host}:{port}"
    if problem.errno == errno.EADDRINUSE:
        return Unavailable(
            f"the web server cannot listen on {where}: the port is in use",
            hint=f"another server or class has it (`ss -ltnp 'sport = :{port}'`): end that one, or set"
            " access.web to another port",
        )
    if problem.errno == errno.EACCES:
        return Unavailable(
            f"the web server cannot listen on {where}: ports below 1024 are root's",
            hint="set access.web to a port such as 8443",
        )
    return Unavailable(
        f"the web server cannot listen on {where}: {problem.strerror or os.strerror(problem.errno or 0)}",
        hint="access.web is an address of this host and a port, such as 0.0.0.0:8443",
    )


def _allow_open_files() -> None:
    """Take as many open files as this user may have: every terminal takes three, and shells allow 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _require_libraries() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"the class in a browser needs {', '.join(missing)}",
            hint=how_to_install("class"),
        )
