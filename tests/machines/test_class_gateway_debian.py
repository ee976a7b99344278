"""A whole Debian behind the gateway: files by scp and sftp, and what editors do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from class_room import Room, room_of, text, words
from habitat import wait_until
from ports import free_port

from orchestrator.deadline import Deadline
from orchestrator.host import process

pytestmark = [pytest.mark.real, pytest.mark.whole("a whole Debian takes a minute of emulation to come up")]


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    with room_of("machines:\n  desk: {driver: qemu, image: debian, arch: amd64}\n", ["ada"]) as found:
        yield found


def test_files_by_scp_and_sftp(room: Room, tmp_path: Path) -> None:
    data = os.urandom(200_000)
    (tmp_path / "file").write_bytes(data)
    for name, more in (("new", []), ("old", ["-O"])):
        there = f"lab@127.0.0.1:{name}"
        sent = ["scp", *more, *room.options("ada"), str(tmp_path / "file"), there]
        process.run(sent, deadline=Deadline.after(120))
        back = ["scp", *more, *room.options("ada"), there, str(tmp_path / name)]
        process.run(back, deadline=Deadline.after(120))
        assert (tmp_path / name).read_bytes() == data
    asked = ["sftp", *room.options("ada"), "-b", "-", "desk@127.0.0.1"]
    listed = process.run(asked, deadline=Deadline.after(120), stdin=b"ls -1\n")
    assert {"new", "old"} <= set(text(listed).split())


def test_an_editors_connection_with_ports_of_the_machine(room: Room, tmp_path: Path) -> None:
    gate = f"ssh -F none -i {room.key('ada')} -o UserKnownHostsFile={room.home.root}/known_hosts "
    gate += f"-p {room.port} lab@127.0.0.1 isolab connect desk"
    config = tmp_path / "config"
    config.write_text(
        f"Host desk\n  User student\n  IdentityFile {room.key('ada')}\n  StrictHostKeyChecking no\n"
        f"  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  ProxyCommand {gate}\n"
    )
    done = process.run(
        ["ssh", "-F", str(config), "-T", "desk", "bash"],
        deadline=Deadline.after(120),
        stdin=b"echo ${BASH:+bash}\n",
        check=False,
    )
    assert text(done) == "bash\n", words(done)
    port = free_port()
    argv = ["ssh", "-F", str(config), "-L", f"{port}:127.0.0.1:22", "desk", "echo in; cat"]
    with process.plugged(argv, tmp_path / "log") as line:
        assert line.recv(3) == b"in\n"
        wait_until(lambda: _says(port).startswith(b"SSH-2.0-OpenSSH"), "the machine's own server")


def _says(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        return line.recv(20)
