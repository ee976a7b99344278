"""The start of a class's service: waited for until all is open, and a reason where it does not start. No
service is a process of its own here, and no machine is up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from made_up_term import made_up_class

from orchestrator.classes import background, gateway
from orchestrator.classes.background import being_the_service, last_words, log_of, service, start_service
from orchestrator.classes.board import MachineState
from orchestrator.classes.entrances import require_entrances
from orchestrator.classes.machines import Place
from orchestrator.classes.model import LoadedClass
from orchestrator.cli.classes import status, up
from orchestrator.cli.classes.closed import tell_closed
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.errors import LabError, Unavailable

SAID = "2027-03-01 09:00:00 term: SSH at 0.0.0.0:2222\nisolab: the port is in use\n  hint: end that one\n"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    return made_up_class(tmp_path / "class", 1)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def start_as(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> None:
    """Let a thread be what is started as the service."""
    monkeypatch.setattr("orchestrator.host.process.detach", lambda *_: threading.Thread(target=work).start())


def test_a_service_is_started_once_all_is_open(found: LoadedClass, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, over = threading.Event(), threading.Event()

    def serve() -> None:
        with being_the_service(found) as ready:
            time.sleep(0.3)
            opened.set()
            ready()
            over.wait(120)

    start_as(monkeypatch, serve)
    try:
        assert start_service(found)
        assert opened.is_set()
        assert not start_service(found)  # it knows the class file as it is
    finally:
        over.set()


def test_one_that_ends_before_all_is_open_did_not_start(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve() -> None:
        with being_the_service(found):
            time.sleep(0.3)
            log_of(found).write_text(SAID)

    start_as(monkeypatch, serve)
    with pytest.raises(Unavailable, match="service of term did not start: the port is in use") as raised:
        start_service(found)
    assert raised.value.hint == "end that one"
    assert service(found) is None


def test_one_that_never_came_to_run_says_why_at_once(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_as(monkeypatch, lambda: cast(None, log_of(found).write_text(SAID)))
    began = time.monotonic()
    with pytest.raises(Unavailable, match="the port is in use"):
        start_service(found)
    assert time.monotonic() - began < background.START_SECONDS / 2


def test_without_a_log_nothing_was_said(found: LoadedClass) -> None:
    assert last_words(found) == ("", "")


def test_status_says_why_the_service_ended(found: LoadedClass, capsys: pytest.CaptureFixture[str]) -> None:
    log_of(found).write_text(SAID)
    place = Place("s00", "desk")
    row = SimpleNamespace(place=place, state=MachineState.UP)
    now = cast(Any, SimpleNamespace(shared=[row], seats=[]))
    assert (
        "it ended with: the port is in use"
        in status._missing(found, now, status.RunningServices(None, True))[0]
    )


def test_a_gateway_needs_its_port(tmp_path: Path, found: LoadedClass, taken: int) -> None:
    busy = made_up_class(tmp_path / "busy", 1, f'access: {{listen: "127.0.0.1:{taken}"}}')
    with pytest.raises(Unavailable, match=f"port {taken} is taken"):
        require_entrances(busy)


def test_pages_need_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(gateway, "require_free", lambda _: None)
    busy = made_up_class(tmp_path / "busy", 1, f'access: {{web: "127.0.0.1:{taken}"}}')
    with pytest.raises(Unavailable, match="the port is in use"):
        require_entrances(busy)
    with being_the_service(busy):
        require_entrances(busy)  # its own


def test_no_machine_comes_up_behind_a_closed_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: LoadedClass, taken: int
) -> None:
    busy = made_up_class(tmp_path / "busy", 1, f'access: {{listen: "127.0.0.1:{taken}"}}')
    monkeypatch.setattr(up, "bring_up", lambda *_, **__: pytest.fail("machines were started"))
    with pytest.raises(LabError, match="is taken"):
        up.act(busy, (), ClassOptions())


def test_a_plan_says_that_a_port_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], found: LoadedClass, taken: int
) -> None:
    busy = made_up_class(tmp_path / "busy", 1, f'access: {{listen: "127.0.0.1:{taken}"}}')
    tell_closed(busy)
    assert f"`isolab class up` would refuse: port {taken} is taken" in capsys.readouterr().err
