"""Open descriptors of a process, here our own: which a thawed one is given, makes itself, or cannot have."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.drivers.qemu.thaw import descriptors
from orchestrator.drivers.qemu.thaw.descriptors import Descriptors, Given
from orchestrator.drivers.qemu.thaw.image_file import Counter

SOCKETS = ("port.sock", "qmp.sock")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listening(path: Path, stack: ExitStack) -> socket.socket:
    plug = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    plug.bind(str(path))
    plug.listen(1)
    plug.setblocking(False)
    return plug


def opened(path: Path, flags: int, stack: ExitStack) -> int:
    number = os.open(path, flags | os.O_CREAT, 0o600)
    stack.callback(os.close, number)
    return number


def look(folder: Path) -> Descriptors:
    return descriptors.read(os.getpid(), SOCKETS, folder / "template" / "memory")


def flags_of(number: int) -> int:
    text = Path(f"/proc/self/fdinfo/{number}").read_text()
    return int(text.split("flags:")[1].split()[0], 8)


def test_sockets_and_files_by_their_names(tmp_path: Path, stack: ExitStack) -> None:
    (tmp_path / "template").mkdir()
    port, qmp = (listening(tmp_path / name, stack) for name in SOCKETS)
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    console = opened(tmp_path / "console.log", os.O_WRONLY, stack)
    memory = opened(tmp_path / "template" / "memory", os.O_RDWR, stack)
    seen = look(tmp_path)
    numbers = {"port.sock": port.fileno(), "qmp.sock": qmp.fileno(), "tcp": tcp.fileno()}
    numbers |= {"console.log": console, "memory": memory}
    assert seen.given == {name: Given(number, flags_of(number)) for name, number in numbers.items()}
    assert seen.given["port.sock"].flags & os.O_NONBLOCK


def test_a_connection_is_waited_for_and_none_of_ours(tmp_path: Path, stack: ExitStack) -> None:
    listener = listening(tmp_path / "qmp.sock", stack)
    assert not look(tmp_path).settling
    client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    client.connect(str(tmp_path / "qmp.sock"))
    accepted = stack.enter_context(listener.accept()[0])
    assert look(tmp_path).settling
    accepted.close()
    assert not look(tmp_path).settling


def test_eventfds_keep_their_count_and_flags(tmp_path: Path, stack: ExitStack) -> None:
    number = os.eventfd(7, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    stack.callback(os.close, number)
    assert Counter(number, os.O_NONBLOCK | os.O_CLOEXEC, 7) in look(tmp_path).counters


def test_what_is_none_of_these_is_named(tmp_path: Path, stack: ExitStack) -> None:
    for number in os.pipe():
        stack.callback(os.close, number)
    file = opened(tmp_path / "a disk", os.O_RDWR, stack)
    one, other = socket.socketpair()
    with one, other:
        left = look(tmp_path).left
        assert f"{file}: {tmp_path / 'a disk'}" in left
        assert any(words.startswith(f"{number}: pipe:[") for words in left)
        assert any(words.startswith(f"{one.fileno()}: socket:[") for words in left)


def test_a_second_of_a_kind_is_not_taken_for_the_first(tmp_path: Path, stack: ExitStack) -> None:
    ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
    seen = look(tmp_path)
    assert seen.given["tcp"].number in {port.fileno() for port in ports}
    assert len([words for words in seen.left if "socket:" in words]) >= 1
