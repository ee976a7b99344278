"""isolab class serve: the class's service in the foreground."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta

from orchestrator.classes import gateway
from orchestrator.classes.background import being_the_service
from orchestrator.classes.gateway.folder import folder_of
from orchestrator.classes.gateway.requests import serve_requests
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.service import Service
from orchestrator.classes.warm import warm
from orchestrator.classes.work.requests import answer
from orchestrator.cli.classes.acting import refuse_further
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import say
from orchestrator.cli.signals import stop_signals
from orchestrator.deadline import Cancellation
from orchestrator.errors import Exit, SpecError
from orchestrator.progress import SilentProgress

LINK_HOURS = 24


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Serve until Ctrl-C. Raises Unavailable if the class is served already, or an address is taken."""
    refuse_further("serve", further)
    options.refuse("serve", "watch", "out", "prune", "students", "groups")
    stop, cancellation = threading.Event(), Cancellation()
    with being_the_service(found) as ready:
        try:
            with (
                stop_signals(),
                _open_for_students(found, cancellation),
                _in_browsers(found),
                _ways_open(found, stop, cancellation),
                _warming(found, cancellation),
            ):
                ready()
                Service(found, _say).run(stop, cancellation)
        except KeyboardInterrupt:
            _say("ended; machines and the gateway stay")
    return Exit.PASSED


@contextlib.contextmanager
def _open_for_students(found: LoadedClass, cancellation: Cancellation) -> Iterator[None]:
    """Have the gateway up, and answer what students ask through it, for a ``with`` block."""

    def respond(name: str, words: Sequence[str]) -> Generator[str, None, int]:
        seat = next((one for one in found.seats if one.name == name), None)
        if seat is None:
            raise SpecError("you are not on the roster any more", hint="ask your lecturer")
        lines = answer(found, seat, words, SilentProgress(), cancellation)
        while True:
            try:
                yield f"{next(lines)}\n"
            except StopIteration as end:
                return int(end.value)

    if words := gateway.start(found):
        _say(words)
    _say(f"{found.name}: SSH at {gateway.endpoint(found)}")
    with serve_requests(folder_of(found).socket, respond):
        yield


@contextlib.contextmanager
def _in_browsers(found: LoadedClass) -> Iterator[None]:
    """Serve the class's pages for a ``with`` block, if it has a web server."""
    if found.spec.access.web is None:
        yield
        return
    from orchestrator.classes.buttons import Buttons  # with modules that a class without pages does not need
    from orchestrator.classes.web.actions import ClassActions
    from orchestrator.classes.web.serve import serving
    from orchestrator.classes.web.tokens import LECTURER, behind_a_proxy, issue_only

    buttons = Buttons(found)
    with serving(found, ClassActions(found, buttons.wired(), buttons.values)) as running:
        _say(f"{found.name}: in the browser at {running.url}")
        if words := behind_a_proxy(found):
            _say(words)
        if running.made:
            _say(f"its certificate is our own: SHA-256 {running.fingerprint}")
        if sys.stdout.isatty():  # not into the log of the service
            link = issue_only(found, LECTURER, timedelta(hours=LINK_HOURS))
            _say(f"your page, for {LINK_HOURS} hours: {link}")
        yield


@contextlib.contextmanager
def _ways_open(found: LoadedClass, stop: threading.Event, cancellation: Cancellation) -> Iterator[None]:
    """Keep the ways to machines on other hosts open beside a ``with`` block."""
    if found.hosts is None:
        yield
        return
    from orchestrator.classes.hosts.keeper import Keeper  # not for a class on this host

    keeper = Keeper(found, _say, lambda: gateway.refresh(found))
    keeping = threading.Thread(target=keeper.run, args=(stop, cancellation), daemon=True)
    keeping.start()
    try:
        yield
    finally:
        stop.set()
        cancellation.cancel()
        keeping.join()


@contextlib.contextmanager
def _warming(found: LoadedClass, cancellation: Cancellation) -> Iterator[None]:
    """Prepare the labs' machines beside a ``with`` block; at its end all is cancelled."""
    warming = threading.Thread(target=warm, args=(found, _say, cancellation), daemon=True)
    warming.start()
    try:
        yield
    finally:
        cancellation.cancel()
        warming.join()


def _say(words: str) -> None:
    say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {words}")
