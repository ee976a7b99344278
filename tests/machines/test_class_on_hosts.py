"""A class of four over two hosts, by the command: one gateway, machines and home folders on their hosts, a
host that goes off and comes back, and nothing but home folders left after the end."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cluster_hosts import NetHost, NetHosts, hosts
from command import Answer, isolab
from habitat import Home, fresh_home, wait_until
from ports import free_port
from sshd_files import make_key

from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table

pytestmark = [pytest.mark.real, pytest.mark.whole("a cluster, four guests, a host switched off: minutes")]

CLASS = """\
class: term
machines: {{desk: {{driver: qemu, arch: arm64}}}}
quota: {{disk: 64MiB}}
hosts: ../hosts.yaml
access: {{listen: "127.0.0.1:{port}"}}
"""
NAMES = ("ada", "bob", "eve", "dan")
SHARED = Path.home() / ".cache" / "isolab"


@dataclass(frozen=True)
class Room:
    """Two hosts, and a class in a controller's home of its own."""

    home: Home
    net: NetHosts
    port: int

    @property
    def folder(self) -> Path:
        return self.home.root / "class"

    def act(self, action: str, *words: str | Path, code: int = 0) -> Answer:
        answer = isolab(self.home, "class", action, self.folder, *words, seconds=600)
        assert answer.code == code, answer.stdout + answer.stderr
        return answer

    def json(self, action: str, *words: str | Path, code: int = 0) -> Any:
        return json.loads(self.act(action, "--format", "json", *words, code=code).stdout)

    def rows(self, code: int = 0) -> dict[str, dict[str, Any]]:
        """Each student's machine, as ``status`` has it."""
        return {one["seat"]: one["machines"][0] for one in self.json("status", code=code)["seats"]}

    def ssh(self, name: str, *command: str, more: tuple[str, ...] = ()) -> process.Finished:
        """What a student types on a computer of theirs."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        words = [word for one in options for word in ("-o", one)]
        words += ["-F", "none", "-i", str(self.home.root / "keys" / name), "-p", str(self.port), *more]
        argv = ["/usr/bin/ssh", *words, "lab@127.0.0.1", *command]
        return process.run(argv, deadline=Deadline.after(300), check=False)

    def ports(self) -> dict[str, int]:
        """The port of this computer that leads to each student's machine."""
        found = {}
        for file in (self.home.root / "state").glob("classes/term-*/hosts/*/ways.json"):
            for name, (here, _) in json.loads(file.read_text())["ports"].items():
                found[name.removesuffix(".desk")] = here
        return found

    def left(self, host: NetHost) -> list[str]:
        """The guests on a host."""
        names = [Path(_program(pid)).name for pid in host.processes()]
        return [name for name in names if name.startswith("qemu")]


def _program(pid: int) -> str:
    try:
        return (process_table.arguments(pid) or [""])[0]
    except OSError:
        return ""


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    cache = os.environ.get("ISOLAB_CACHE", str(SHARED))
    names = ("alder", "birch")
    with hosts(names, more=f"SetEnv ISOLAB_CACHE={cache}", shared=Path(cache)) as net, fresh_home() as home:
        room = Room(home, net, free_port())
        rows = [f'  - {{name: {one.name}, ssh: "root@{one.address}"}}\n' for one in net.hosts]
        (home.root / "hosts.yaml").write_text("hosts:\n" + "".join(rows))
        _write_class(room)
        up = isolab(home, "cluster", "up", home.root / "hosts.yaml", "--cold", seconds=600)
        assert up.code == 0, up.stdout + up.stderr
        try:
            yield room
        finally:
            room.act("down")
            isolab(home, "cluster", "down", home.root / "hosts.yaml")


def _write_class(room: Room) -> None:
    room.folder.mkdir()
    (room.home.root / "keys").mkdir()
    (room.folder / "class.yaml").write_text(CLASS.format(port=room.port))
    with (room.folder / "roster.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "ssh_key"])
        for name in NAMES:
            key = make_key(room.home.root / "keys" / name)
            rows.writerow([name, key.with_suffix(".pub").read_text().strip()])


def test_a_class_over_two_hosts(room: Room) -> None:
    plan = room.json("plan")
    assert sorted(len(one["seats"]) for one in plan["hosts"]) == [2, 2]
    assert plan["fits"]
    up = room.json("up")
    assert sorted(up["up"]) == sorted(f"{name}/desk" for name in NAMES)
    where = {name: row["host"] for name, row in room.rows().items()}
    assert sorted(where.values()) == ["alder", "alder", "birch", "birch"]
    for name in NAMES:
        assert room.ssh(name, f"hostname; echo {name} >mine").stdout == b"desk\n"
    assert room.json("run", "--", "cat", "mine")["machines"][0]["stdout"] == "ada\n"

    # One gateway, which leads to one's own machine and no other.
    ports = room.ports()
    assert {*ports} == {*NAMES}
    assert room.ssh("ada", more=("-W", f"127.0.0.1:{ports['ada']}")).stdout.startswith(b"SSH-2.0-")
    for other in NAMES[1:]:
        assert room.ssh("ada", more=("-W", f"127.0.0.1:{ports[other]}")).stdout == b""

    # A fresh machine has the home folder, and its student gets in at once.
    room.act("reset", "--student", "ada")
    assert room.ssh("ada", "cat mine").stdout == b"ada\n"
    assert {name: row["host"] for name, row in room.rows().items()} == where

    # Files there and back.
    (room.home.root / "slide").write_text("one\n")
    room.act("push", room.home.root / "slide")
    room.act("collect")
    for name in NAMES:
        assert (room.folder / f"collected/{name}/desk/mine").read_text() == f"{name}\n"
        assert (room.folder / f"collected/{name}/desk/slide").read_text() == "one\n"


def test_a_host_that_goes_off_costs_its_students_only(room: Room) -> None:
    room.act("up")
    where = {name: row["host"] for name, row in room.rows().items()}
    off, on = [[name for name in NAMES if where[name] == host] for host in ("birch", "alder")]
    room.net["birch"].off()
    try:
        answer = room.act("status", code=3)
        assert answer.stdout.count("host away") == len(off)
        assert "birch" in answer.stdout
        assert "2 machines there, and their home folders" in answer.stdout
        assert room.ssh(on[0], "hostname").stdout == b"desk\n"
        up = room.json("up", code=3)
        assert sorted(one["machine"] for one in up["failed"]) == sorted(f"{name}/desk" for name in off)
    finally:
        room.net["birch"].on()
    room.act("up")
    assert {name: row["host"] for name, row in room.rows().items()} == where
    for name in off:
        assert room.ssh(name, "cat mine").stdout == f"{name}\n".encode()


def test_a_connection_that_ends_is_made_again(room: Room) -> None:
    room.act("up")
    before = room.ports()
    masters = [
        pid
        for pid in room.home.processes()
        if {"-N", "-S"} <= {*process_table.arguments(pid)} and "ssh" in _program(pid)
    ]
    for pid in masters:
        os.kill(pid, 9)
    wait_until(lambda: room.ssh("ada", "hostname").stdout == b"desk\n", "the way to ada's machine", 120)
    assert room.ports() == before


def test_nothing_but_home_folders_is_left(room: Room) -> None:
    room.act("up")
    room.act("down")
    for host in room.net.hosts:
        assert room.left(host) == []
        there = [path for path in host.home.rglob("classes/term-*/*") if path.name != "class.db"]
        assert {path.name for path in there} == {"homes"}
    assert room.ports() == {}
    assert {row["state"] for row in room.rows().values()} == {"down"}
