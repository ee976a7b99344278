"""A whole Debian behind the gateway: files by scp, sftp and rsync, and what editors do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from class_room import Room, room_of, text, words
from habitat import wait_until
from ports import free_port

from orchestrator.classes.handout.entrance import Entrance, Login
from orchestrator.classes.handout.ssh_config import ssh_config
from orchestrator.deadline import Deadline
from orchestrator.host import process

INSIDE = 5173
SERVER = f"""#!/bin/bash
while :; do echo "server of $USER" | nc -l -N 127.0.0.1 {INSIDE}; done
"""
SOCKS = b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + INSIDE.to_bytes(2, "big")
"""No password, please; connect me to 127.0.0.1."""

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


def test_folders_by_rsync_only_what_changed(room: Room, tmp_path: Path) -> None:
    mine = tmp_path / "src"
    (mine / "sub").mkdir(parents=True)
    for name in ("a.c", "sub/b.c"):
        (mine / name).write_text(f"/* {name} */\n")
    way = " ".join(["ssh", *map(str, room.options("ada"))])
    argv = ["rsync", "-av", "-e", way, f"{mine}/", "lab@127.0.0.1:src/"]
    process.run(argv, deadline=Deadline.after(120))
    (mine / "a.c").write_text("/* longer than before */\n")
    again = text(process.run(argv, deadline=Deadline.after(120))).splitlines()
    assert [line for line in again if line.endswith(".c")] == ["a.c"]
    assert text(room.ssh("ada", "cat src/a.c src/sub/b.c")) == "/* longer than before */\n/* sub/b.c */\n"


@pytest.fixture
def config(room: Room, tmp_path: Path) -> Path:
    """A student's own configuration, with the lines of the handout."""
    entrance = Entrance("127.0.0.1", (Login("desk", "lab", copies=True),), room.port, alias="mini")
    path = tmp_path / "config"
    lines = "\n".join(ssh_config(entrance)).replace("ProxyCommand ssh", f"ProxyCommand ssh -F {path}")
    mine = f"IdentityFile {room.key('ada')}\n    UserKnownHostsFile {room.home.root}/known_hosts"
    path.write_text(f"{lines}\nHost *\n    {mine}\n")
    return path


def test_an_editors_connection_with_ports_of_the_machine(config: Path, tmp_path: Path) -> None:
    """Editors copy a server to the home folder, leave it running, and come back to its port."""
    (tmp_path / "run").write_text(SERVER)
    sent = ["scp", "-F", str(config), str(tmp_path / "run"), "mini-desk:.editor-server"]
    process.run(sent, deadline=Deadline.after(120))
    start = b"chmod +x ~/.editor-server; setsid nohup ~/.editor-server > ~/.editor.log 2>&1 < /dev/null &\n"
    argv = ["ssh", "-F", str(config), "-T", "mini-desk", "bash"]
    done = process.run(argv, deadline=Deadline.after(120), stdin=start + b"echo ${BASH:+bash}\n", check=False)
    assert text(done) == "bash\n", words(done)
    port, socks = free_port(), free_port()
    argv = ["ssh", "-F", str(config), "-L", f"{port}:127.0.0.1:{INSIDE}", "-D", str(socks)]
    with process.plugged([*argv, "mini-desk", "echo in; cat"], tmp_path / "log") as line:
        assert line.recv(3) == b"in\n"
        wait_until(lambda: _says(port) == b"server of student", "the server in the home folder")
        wait_until(lambda: _says(socks, SOCKS) == b"server of student", "the same through SOCKS")


def _says(port: int, hello: bytes = b"") -> bytes:
    """What comes from a port; behind a SOCKS server (RFC 1928) after its answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
            if hello:
                line.sendall(hello)
                if _all(line, 12)[:4] != b"\5\0\5\0":
                    return b""
            return _all(line, 100).strip()
    except ConnectionError:
        return b""


def _all(line: socket.socket, size: int) -> bytes:
    """So many bytes, or what there is."""
    found = b""
    while len(found) < size and (part := line.recv(size - len(found))):
        found += part
    return found
