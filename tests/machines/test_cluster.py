"""A cluster of four hosts, by the command: up, run, sessions, what dies meanwhile, down."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cluster_hosts import NetHosts, hosts
from command import Answer, isolab, started
from habitat import Home, fresh_home, wait_until
from places import LABS

from orchestrator.host import process_table
from orchestrator.record import read_records

pytestmark = pytest.mark.real

LAB = """\
lab: small
machines:
  plain: {driver: process}
  box: {driver: sandbox}
  vm: {driver: qemu, arch: arm64}
  other: {driver: qemu, arch: arm64}
exercises: [ipc/pipe, ipc/fifo-unrelated]
"""
MACHINES = ("plain", "box", "vm", "other")
SHARED = Path.home() / ".cache" / "isolab"


@dataclass(frozen=True)
class Room:
    """Four hosts, and a controller with a home of its own; all share one cache of images."""

    home: Home
    net: NetHosts
    file: Path
    lab: Path

    def act(self, *words: str | Path, code: int = 0) -> Answer:
        answer = isolab(self.home, words[0], "--cluster", self.file, *words[1:], seconds=300)
        assert answer.code == code, answer.stdout + answer.stderr
        return answer

    def cluster(self, action: str, *words: str, code: int = 0) -> Any:
        answer = isolab(self.home, "cluster", action, self.file, *words, "--format", "json", seconds=300)
        assert answer.code == code, answer.stdout + answer.stderr
        return json.loads(answer.stdout)

    def status(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.act("status", "--format", "json").stdout)["machines"]
        return found

    def records(self, name: str) -> list[tuple[str, str, str]]:
        found = read_records(self.home.root / name / "records.jsonl")
        return sorted((one.machine, one.exercise, str(one.status)) for one in found)

    def those(self, program: str, mark: str) -> list[int]:
        """The processes of this room, here and on its hosts, that run a program with a word in their
        arguments."""
        mine = {pid for host in self.net.hosts for pid in host.processes()} | set(self.home.processes())
        return sorted(pid for pid in mine if _is(program, mark, _words(pid)))

    def begun(self, out: Path) -> bool:
        """Whether a run has a record, or a guest."""
        return (out / "records.jsonl").exists() or bool(self.those("qemu", "-name"))


def _is(program: str, mark: str, words: list[str]) -> bool:
    return program in Path(words[0] if words else "").name and any(mark in word for word in words)


def _words(pid: int) -> list[str]:
    try:
        return process_table.arguments(pid)
    except OSError:
        return []


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    cache = os.environ.get("ISOLAB_CACHE", str(SHARED))
    with hosts(more=f"SetEnv ISOLAB_CACHE={cache}", shared=Path(cache)) as net, fresh_home() as home:
        file = home.root / "hosts.yaml"
        rows = [f'  - {{name: {one.name}, ssh: "root@{one.address}"}}\n' for one in net.hosts]
        file.write_text("hosts:\n" + "".join(rows))
        (home.root / "lab").mkdir()
        (home.root / "lab/lab.yaml").write_text(LAB)
        room = Room(home, net, file, home.root / "lab")
        try:
            found = room.cluster("up", "--cold")
            assert found["up"] == [one.name for one in net.hosts]
            yield room
        finally:
            room.cluster("down")


ALL = sorted((machine, name, "pass") for machine in MACHINES for name in ("ipc/fifo-unrelated", "ipc/pipe"))


def test_what_is_up_stays_up(room: Room) -> None:
    before = room.cluster("status")["supervisor"]["process"]
    room.cluster("up", "--cold")
    assert room.cluster("status")["supervisor"]["process"] == before


def test_a_run_is_spread_and_its_records_are_those_of_one_host(room: Room) -> None:
    room.act("run", room.lab, "--out", room.home.root / "spread")
    found = read_records(room.home.root / "spread" / "records.jsonl")
    assert room.records("spread") == ALL
    assert len({one.host for one in found}) == len(room.net.hosts)
    assert "qemu-system-aarch64" in (room.home.root / "spread/vm/command.txt").read_text()  # from its host


def test_a_pin_is_heeded_and_an_impossible_one_is_said(room: Room) -> None:
    room.act("run", room.lab, "--only", "plain", "--pin", "plain=cedar", "--out", room.home.root / "pin")
    (host,) = {one.host for one in read_records(room.home.root / "pin" / "records.jsonl")}
    assert host == "cedar"
    answer = room.act("run", room.lab, "--pin", "plain=ceder", code=2)
    assert "did you mean 'cedar'" in answer.stderr


def test_machines_stay_where_they_are_and_are_reached(room: Room) -> None:
    room.act("up", room.lab, "--only", "vm,other,plain")
    where = {row["name"]: row["host"] for row in room.status()}
    assert set(where) == {"small/vm", "small/other", "small/plain"}
    assert len(set(where.values())) == 3
    (room.home.root / "note").write_text("hello\n")
    room.act("push", "vm", room.home.root / "note")
    assert room.act("ssh", "vm", "--", "cat", "note").stdout == "hello\n"
    assert room.act("ssh", "vm", "--", "sh", "-c", "exit 7", code=7).stdout == ""
    room.act("pull", "vm", "note", room.home.root / "back")
    assert (room.home.root / "back/note").read_text() == "hello\n"
    assert "isolab" in room.act("console", "vm").stdout
    room.act("reset", "vm")
    assert room.act("ssh", "vm", "--", "ls").stdout == ""
    room.act("up", room.lab, "--only", "vm,other,plain")  # again: nothing moves
    assert {row["name"]: row["host"] for row in room.status()} == where
    room.act("down", "small")
    assert room.status() == []


def test_a_drained_host_takes_nothing(room: Room) -> None:
    room.cluster("drain", "alder")
    try:
        answer = room.act("run", room.lab, "--out", room.home.root / "drained")
        assert "alder takes no part: it is drained" in answer.stderr
        hosts_of = {one.host for one in read_records(room.home.root / "drained" / "records.jsonl")}
        assert hosts_of == {"birch", "cedar", "dogwood"}
    finally:
        room.cluster("drain", "alder", "--undo")


def _grading(room: Room, name: str, statement: str) -> tuple[str | Path, ...]:
    """What grades eight students in sandboxes, each with the answer "%d" in a statement."""
    folder = room.home.root / name
    lab, handed_in = folder / "graded", folder / "handed-in"
    shutil.copytree(LABS / "graded", lab)
    text = (lab / "lab.yaml").read_text()
    text = text.replace("{driver: qemu, arch: s390x}", "{driver: sandbox}").replace("{accel: tcg}", "{}")
    (lab / "lab.yaml").write_text(text)
    for number in range(8):
        (handed_in / f"s{number}" / "sum").mkdir(parents=True)
        source = f"#include <stdio.h>\n#include <unistd.h>\nint main(void) {{ {statement} }}\n"
        (handed_in / f"s{number}" / "sum" / "sum.c").write_text(source.replace("%d", str(number)))
    return ("grade", lab, handed_in, "--only", "guest", "--exercise", "sum", "--out", folder / "grades")


def _hidden_tests(room: Room) -> list[Path]:
    """Labs on the hosts that are one grading's alone."""
    return [path for one in room.net.hosts for path in one.home.rglob(".run") if path.is_file()]


def test_a_class_is_graded_on_all_hosts(room: Room) -> None:
    words = _grading(room, "class", 'return puts("{\\"answer\\": %d}") < 0;')
    out = Path(words[-1])
    first = json.loads(room.act(*words, "--format", "json", code=1).stdout)
    assert (first["graded"], first["verdicts"]["scored"]) == (8, 8)
    receipts = [json.loads(line)["receipt"] for line in (out / "receipts.jsonl").read_text().splitlines()]
    assert {one["host"] for one in receipts} == {one.name for one in room.net.hosts}
    again = json.loads(room.act(*words, "--format", "json", code=1).stdout)
    assert (again["graded"], again["found"]) == (0, 8)
    assert _hidden_tests(room) == []


@pytest.mark.parametrize("which", ["scheduler", "worker", "serve"])
def test_whoever_carries_may_die(room: Room, which: str) -> None:
    """G1, G2, G9: no record is lost or doubled, and nobody restarts anything."""
    out = room.home.root / f"killed-{which}"
    wait_until(lambda: not room.those("qemu", "-name"), "the guests of former runs to end")
    mark = "supervisor.serve" if which == "serve" else f"scheduling.{which}"
    with started(room.home, "run", room.lab, "--cluster", room.file, "--out", out) as run:
        wait_until(lambda: room.begun(out), "the run to begin")
        victims = room.those("python", mark)
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert run.wait() == 0, run.said
    assert room.records(out.name) == ALL


def test_agents_may_die(room: Room) -> None:
    """G3: guests of a dead agent are reaped when it is back, and its units run again, once."""
    out = room.home.root / "killed-agent"
    wait_until(lambda: not room.those("qemu", "-name"), "the guests of former runs to end")
    with started(room.home, "run", room.lab, "--cluster", room.file, "--out", out) as run:
        wait_until(lambda: room.begun(out), "the run to begin")
        for pid in room.those("python", "--serve"):
            os.kill(pid, signal.SIGKILL)
        assert run.wait() in (0, 3), run.said
    found = room.records(out.name)
    assert [one[:2] for one in found] == [one[:2] for one in ALL]  # none lost, none twice
    wait_until(lambda: not room.those("qemu", "-name"), "the guests of dead agents to be reaped")


def test_ctrl_c_ends_a_run_on_all_hosts(room: Room) -> None:
    out = room.home.root / "interrupted"
    with started(room.home, "run", room.lab, "--cluster", room.file, "--out", out) as run:
        wait_until(lambda: room.begun(out), "the run to begin")
        run.send(signal.SIGINT)
        assert run.wait() == 130, run.said
    assert "interrupted: machines were removed" in run.said
    assert room.those("qemu", "-name") == []


def test_ctrl_c_ends_grading_and_takes_hidden_tests_away(room: Room) -> None:
    words = _grading(room, "stopped", "sleep(60); return %d;")
    with started(room.home, *words, "--cluster", room.file) as run:
        wait_until(lambda: _hidden_tests(room), "the lab to be sent")
        run.send(signal.SIGINT)
        assert run.wait() == 130, run.said
    assert "interrupted: machines were removed, verdicts were kept" in run.said
    assert _hidden_tests(room) == []


def test_ctrl_c_ends_up_though_a_host_is_silent(room: Room) -> None:
    alder = room.net["alder"]
    alder.cut()
    try:
        with started(room.home, "cluster", "up", room.file, "--cold") as up:
            wait_until(lambda: _asks(up.child.pid), "a host to be asked")
            up.send(signal.SIGINT)
            assert up.wait() == 130, up.said
    finally:
        alder.heal()
    assert "interrupted: `isolab cluster up` goes on" in up.said


def _asks(pid: int) -> bool:
    """Whether a process has a child that runs something on a host."""
    found = process_table.find(lambda one: process_table.parent(one) == pid)
    return any(_is("ssh", "python", _words(one)) for one in found)


def test_nothing_is_left_on_any_host(room: Room) -> None:
    room.act("gc")
    assert all(host["guests"] == 0 for host in room.cluster("status")["hosts"])
