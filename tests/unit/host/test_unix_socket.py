"""A socket that serves one connection, ever, however many ask for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.errors import TimedOut
from orchestrator.host.unix_socket import first_line


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "line"))
        server.listen(1)
        yield tmp_path / "line"


def ask(path: Path, seconds: float = 60) -> socket.socket | None:
    return first_line(path, Deadline.after(seconds))


def test_the_first_who_asks_has_it_and_nobody_after(listening: Path) -> None:
    first = ask(listening)
    assert first is not None
    with first:
        assert ask(listening) is None
    assert ask(listening) is None


def test_of_many_who_ask_at_once_one_has_it(listening: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = [sock for sock in pool.map(ask, [listening] * 8) if sock is not None]
    assert len(found) == 1
    found[0].close()


def test_a_machine_without_a_line_has_none(tmp_path: Path) -> None:
    assert ask(tmp_path / "line") is None


def test_a_line_at_which_nobody_listens_any_more_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "line"))
    with pytest.raises(TimedOut):
        ask(tmp_path / "line", 0.2)
