"""Terminals that several browsers share: what each sees, who types, and that floods fill nothing."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.testclient import WebSocketTestSession
from web_client import Served, served

from orchestrator.classes.web import terminals
from orchestrator.classes.web.terminals import AHEAD, SCROLLBACK, Room, Terminal, Viewer
from orchestrator.classes.web.tokens import LECTURER


@dataclass
class Line:
    """A made-up program: what is written to ``program`` it printed, what it reads there was typed."""

    descriptor: int
    program: int
    sizes: list[tuple[int, int]] = field(default_factory=list)
    closed: int = 0

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def line() -> Iterator[Line]:
    ours, theirs = os.openpty()
    for one in (ours, theirs):
        os.set_blocking(one, False)
    import tty

    tty.setraw(theirs)
    yield Line(ours, theirs)
    os.close(ours)
    os.close(theirs)


@dataclass
class Browser:
    """A browser that shows a terminal."""

    seen: bytearray = field(default_factory=bytearray)
    told: list[dict[str, object]] = field(default_factory=list)
    dropped: bool = False

    def viewer(self, *, lecturer: bool = False, types: bool = True) -> Viewer:
        def drop() -> None:
            self.dropped = True

        return Viewer(lecturer, types, self.seen.extend, self.told.append, drop)

    def last(self, kind: str) -> dict[str, object]:
        return [one for one in self.told if one["kind"] == kind][-1]


def running(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 120)

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


def test_all_see_the_same_and_who_comes_later_what_was_there(line: Line) -> None:
    async def work() -> None:
        terminal = Terminal(line, lambda _: None)
        terminal.begin()
        one, other = Browser(), Browser()
        terminal.attach(one.viewer())
        os.write(line.program, b"hello\r\n")
        await until(lambda: bool(one.seen))
        terminal.attach(other.viewer())
        os.write(line.program, b"again")
        await until(lambda: other.seen.endswith(b"again"))
        assert one.seen == other.seen == b"hello\r\nagain"
        assert other.told[0] == {"kind": "replay", "bytes": 7, "cut": False}
        terminal.close()

    running(work)


def test_a_lecturer_who_looks_types_nothing_and_everybody_knows(line: Line) -> None:
    async def work() -> None:
        terminal = Terminal(line, lambda _: None)
        terminal.begin()
        student, lecturer = Browser(), Browser()
        at, looking = student.viewer(), lecturer.viewer(lecturer=True, types=False)
        terminal.attach(at)
        terminal.attach(looking)
        assert student.last("here") == {"kind": "here", "lecturer": "looking", "others": 0, "answer": True}
        assert lecturer.last("here")["answer"] is False
        terminal.type(looking, b"rm -rf ~\n")
        terminal.type(at, b"ls\n")
        await until(lambda: bool(student.told))
        assert os.read(line.program, 100) == b"ls\n"
        terminal.let_type(looking, True)
        assert student.last("here")["lecturer"] == "together"
        terminal.type(looking, b"pwd\n")
        assert os.read(line.program, 100) == b"pwd\n"
        terminal.detach(looking)
        assert student.last("here")["lecturer"] == ""
        terminal.close()

    running(work)


def test_the_student_s_window_decides_on_the_size(line: Line) -> None:
    async def work() -> None:
        terminal = Terminal(line, lambda _: None)
        student, lecturer = Browser(), Browser()
        looking, at = lecturer.viewer(lecturer=True, types=True), student.viewer()
        terminal.attach(looking)
        terminal.resize(looking, 120, 40)
        terminal.attach(at)
        terminal.resize(at, 90, 30)
        terminal.resize(looking, 200, 60)
        assert line.sizes[-1] == (90, 30)
        assert lecturer.last("size") == {"kind": "size", "columns": 90, "rows": 30}
        terminal.resize(at, 10**9, -4)
        assert line.sizes[-1] == (terminals.MOST_COLUMNS, 2)
        terminal.close()

    running(work)


def test_a_flood_waits_for_who_shows_it_and_is_not_kept_whole(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "RATE", 2**40)

    async def work() -> None:
        terminal = Terminal(line, lambda _: None)
        terminal.begin()
        one = Browser()
        viewer = one.viewer()
        terminal.attach(viewer)
        block, sent, idle = b"y\r\n" * 1000, 0, 0
        while idle < 50:
            try:
                sent += os.write(line.program, block)
                idle = 0
            except BlockingIOError:
                idle += 1
            await asyncio.sleep(0.0005 if idle else 0)
        assert AHEAD < len(one.seen) <= AHEAD + 2 * terminals.BLOCK
        assert not one.dropped
        terminal.shown(viewer, len(one.seen))
        before = len(one.seen)
        await until(lambda: len(one.seen) > before)
        while sent < 2 * SCROLLBACK:
            terminal.shown(viewer, viewer.behind)
            try:
                sent += os.write(line.program, block)
            except BlockingIOError:
                await asyncio.sleep(0.0005)
        later = Browser()
        terminal.attach(later.viewer())
        assert len(later.seen) <= SCROLLBACK
        assert later.seen.startswith(b"y\r\n")
        assert later.told[0]["cut"] is True
        terminal.close()

    running(work)


def test_a_browser_that_does_not_keep_up_is_let_go(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "PATIENCE", 0.02)
    monkeypatch.setattr(terminals, "AHEAD", 100)

    async def work() -> None:
        terminal = Terminal(line, lambda _: None)
        terminal.begin()
        slow, quick = Browser(), Browser()
        at = quick.viewer()
        terminal.attach(slow.viewer())
        terminal.attach(at)
        for number in range(20):
            os.write(line.program, b"%05d " % number * 20)
            await until(lambda want=number: b"%05d" % want in quick.seen)  # type: ignore[misc]
            terminal.shown(at, at.behind)
        assert slow.dropped
        assert not quick.dropped
        terminal.close()

    running(work)


def test_what_a_program_does_not_read_is_bounded(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "MOST_INPUT", 10_000)

    async def work() -> None:
        terminal = Terminal(line, lambda _: None)
        one = Browser()
        viewer = one.viewer()
        terminal.attach(viewer)
        for _ in range(20):
            terminal.type(viewer, b"x" * 4096)
        assert "not sent" in str(one.last("note")["text"])
        assert len(terminal._input) <= 10_000
        terminal.close()

    running(work)


def test_a_program_that_ends_is_told_and_hung_up_once() -> None:
    async def work() -> None:
        ours, theirs = os.openpty()
        os.set_blocking(ours, False)
        line = Line(ours, theirs)

        async def in_thread(work: Callable[[], None]) -> None:
            work()

        changed: list[str] = []
        room = Room(in_thread, changed.append)

        async def log_in() -> Line:
            return line

        terminal = await room.enter(("s1", "desk", 1), log_in, (80, 24))
        assert await room.enter(("s1", "desk", 1), log_in, (80, 24)) is terminal
        one = Browser()
        terminal.attach(one.viewer())
        os.close(theirs)
        await until(lambda: room.find(("s1", "desk", 1)) is None)
        await room.close()
        assert one.last("ended")
        assert line.closed == 1
        assert changed == ["s1", "s1"]
        os.close(ours)

    running(work)


@pytest.fixture
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web")) as found:
        yield found


def shown_until(socket: WebSocketTestSession, wanted: bytes) -> list[dict[str, Any]]:
    """Read until these bytes were on the screen; gives what was told meanwhile."""
    seen, told = b"", []
    while wanted not in seen:
        message = socket.receive()
        if message["type"] == "websocket.close":
            raise AssertionError(message)
        if message.get("bytes") is not None:
            seen += message["bytes"]
        else:
            told.append(json.loads(message["text"]))
    return told


def test_a_terminal_over_its_socket(room: Served) -> None:
    headers = room.headers("s1")
    place = "/seats/s1/terminals/desk/1"
    with room.socket(f"{place}?columns=100&rows=30", headers=headers) as socket:
        socket.send_bytes(b"typed by ada\r")
        told = shown_until(socket, b"typed by ada")
        assert {"kind": "size", "columns": 100, "rows": 30} in told
        with room.socket(place, headers=room.headers(LECTURER)) as looking:
            shown_until(looking, b"typed by ada")
            looking.send_bytes(b"by the lecturer\r")
            looking.send_text('{"kind": "join", "types": true}')
            looking.send_bytes(b"together\r")
            shown_until(socket, b"together")
        for odd in ("", "{", "[]", '{"kind": "size", "columns": "x"}', '{"kind": "join", "types": true}'):
            socket.send_text(odd)
        socket.send_bytes(b"still there\r")
        shown_until(socket, b"still there")
    with room.socket(place, headers=headers) as again:
        told = shown_until(again, b"still there")
        assert told[0]["kind"] == "replay"
    assert [one for one in room.actions.done if one[0] == "terminal"] == [("terminal", "s1", "desk")]


@pytest.mark.parametrize("place", ["other/1", "desk/0", "desk/5"])
def test_there_are_no_other_terminals(room: Served, place: str) -> None:
    with room.socket(f"/seats/s1/terminals/{place}", headers=room.headers("s1")) as socket:
        assert "there are terminals 1 to 4" in socket.receive_text()
    assert room.actions.done == []


def test_the_lecturer_who_looks_opens_nothing(room: Served) -> None:
    with room.socket("/seats/s1/terminals/desk/1", headers=room.headers(LECTURER)) as socket:
        assert "nobody has this terminal open" in socket.receive_text()
    assert room.actions.done == []
