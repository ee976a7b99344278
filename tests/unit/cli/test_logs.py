"""Following a console: what is added, what a reset begins anew, and the end."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from factories import handle, order

from orchestrator.cli import logs
from orchestrator.deadline import Deadline, poll
from orchestrator.machines.journal import member_of
from orchestrator.sessions.lookup import SessionMachine


def test_a_console_is_followed_through_a_reset_until_it_is_taken_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = member_of("one", "/labs/one/lab.yaml", replace(order(), name="vm", logs=tmp_path))
    there = [SessionMachine(place, handle("vm"))]
    said: list[str] = []
    monkeypatch.setattr(logs, "find", lambda _: there[0])
    monkeypatch.setattr(logs, "session_machines", lambda: list(there))

    def say(line: str) -> bool:
        said.append(line)
        return True

    monkeypatch.setattr(logs, "say", say)
    monkeypatch.setattr(logs, "ASK_EVERY", 0.05)
    monkeypatch.setattr(logs, "POLL_SECONDS", 0.01)
    console = tmp_path / "console.log"
    console.write_bytes(b"first\nhalf")
    follower = threading.Thread(target=logs.console, args=("vm", True, "text"))
    follower.start()
    try:
        poll(lambda: said == ["first"], Deadline.after(60), "the first line")
        with console.open("ab") as file:
            file.write(b" done \x1b[31m\n")
        poll(lambda: len(said) == 2, Deadline.after(60), "the second line")
        console.rename(tmp_path / "old")
        (tmp_path / "new").write_bytes(b"anew\n")
        (tmp_path / "new").rename(console)
        poll(lambda: len(said) == 3, Deadline.after(60), "the line after the reset")
    finally:
        there.clear()
        follower.join(60)
    assert not follower.is_alive()
    assert said == ["first", "half done \\x1b[31m", "anew"]


def test_a_console_whose_reader_has_gone_is_followed_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = member_of("one", "/labs/one/lab.yaml", replace(order(), name="vm", logs=tmp_path))
    monkeypatch.setattr(logs, "find", lambda _: SessionMachine(place, handle("vm")))
    monkeypatch.setattr(logs, "session_machines", lambda: [SessionMachine(place, handle("vm"))])
    monkeypatch.setattr(logs, "say", lambda _: False)
    (tmp_path / "console.log").write_bytes(b"first\nsecond\n")
    follower = threading.Thread(target=logs.console, args=("vm", True, "text"), daemon=True)
    follower.start()
    follower.join(60)
    assert not follower.is_alive()
