"""Words on screen: not too many, and nothing that a guest could do to a terminal."""

from __future__ import annotations

import io
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from orchestrator.progress import LineProgress, LiveProgress, SilentProgress, shown


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_the_same_thing_is_said_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    for _ in range(10):
        progress.doing("vm", "booting", 7.3)
        clock.now += 5
    assert lines(capsys) == ["[   0.0s] vm: booting (about 7 s)"]


def test_news_about_one_thing_comes_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    for number in range(41):
        progress.doing("vm", f"line {number}")
        clock.now += 0.1
    assert lines(capsys) == ["[   0.0s] vm: line 0", "[   2.0s] vm: line 20", "[   4.0s] vm: line 40"]


def test_what_goes_on_in_silence_is_said_with_for_how_long(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = LineProgress()
    progress.doing("vm", "ipc/pipe (1 of 2)")
    progress.doing("s390x", "booting", 40)
    for _ in range(7):
        clock.now += 10
        progress.beat()
    progress.done("s390x")
    clock.now += 30
    progress.beat()
    assert [line.split("] ")[1] for line in lines(capsys)] == [
        "vm: ipc/pipe (1 of 2)",
        "s390x: booting (about 40 s)",
        "vm: still ipc/pipe (1 of 2), for 30 s",
        "s390x: still booting, for 30 s of about 40 s",
        "vm: still ipc/pipe (1 of 2), for 60 s",
        "s390x: still booting, for 60 s of about 40 s",
        "vm: still ipc/pipe (1 of 2), for 100 s",
    ]


def test_the_heart_stops_with_its_block(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    progress.HEARTBEAT = 0.01
    with progress.beating():
        progress.doing("vm", "booting")
        assert [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def test_things_do_not_wait_for_each_other(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    for name in ("a", "b", "c"):
        progress.doing(name, "booting")
    assert len(lines(capsys)) == 3


def test_what_the_user_must_know_is_never_held_back(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    progress.doing("vm", "booting")
    progress.tell("warning: short of memory")
    progress.done("vm", "up")
    progress.done("vm")
    assert [line.split("] ")[1] for line in lines(capsys)] == [
        "vm: booting",
        "warning: short of memory",
        "vm: up",
    ]


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202etxt\r\x08"


def test_hostile_words_reach_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    progress.doing("vm", HOSTILE)
    progress.tell(HOSTILE)
    progress.done("vm", HOSTILE)
    assert all(line.isprintable() for line in lines(capsys))


def render(live: LiveProgress) -> str:
    screen = io.StringIO()
    Console(file=screen, width=120, force_terminal=False).print(live)
    return screen.getvalue()


def test_the_live_table_shows_who_does_what_since_when(clock: Clock) -> None:
    live = LiveProgress()
    live.doing("vm", "booting", 10)
    clock.now += 3
    live.doing("vm", "booting", 10)
    live.doing("box", "[red]starting[/red]")
    text = render(live)
    assert "3 s of about 10 s" in text
    assert "[red]starting[/red]" in text
    live.done("vm")
    assert "booting" not in render(live)


def test_the_live_table_is_safe_from_hostile_words() -> None:
    live = LiveProgress()
    live.doing("vm", HOSTILE)
    assert all(char.isprintable() or char == "\n" for char in render(live))


def test_any_thread_may_report(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: progress.doing(f"m{n}", "booting"), range(50)))
    assert sorted(line.split("] ")[1] for line in lines(capsys)) == sorted(
        f"m{n}: booting" for n in range(50)
    )


def test_where_words_go_decides_their_form(monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(quiet=True) as progress:
        assert isinstance(progress, SilentProgress)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with shown() as progress:
        assert isinstance(progress, LineProgress)
