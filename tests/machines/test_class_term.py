"""A term in a few minutes: plan, up, everybody over the gateway, work, check, hand in, collect, grade, down;
and the host is as it was."""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from command import Answer, isolab
from committed import COMMITTED
from consoles import keep_consoles
from habitat import Home, fresh_home
from places import LABS
from ports import free_port
from sshd_files import make_key

from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table

pytestmark = pytest.mark.real

CLASS = """\
class: term
labs: [{{lab: graded}}]
machines: {{desk: {{driver: qemu, arch: arm64}}}}
quota: {{disk: 64MiB}}
lifetime: 4h
access: {{listen: "127.0.0.1:{port}"}}
"""
MOST_AT_ONCE = 8
OTHER_BOOT = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'


def program(answer: int) -> bytes:
    """One that answers the exercises of tests/labs/graded."""
    return (
        b'#include <stdio.h>\nint main(void) { return puts("{\\"answer\\": %d, \\"tidy\\": true}") < 0; }\n'
        % answer
    )


@dataclass(frozen=True)
class Term:
    """A class of ``students`` in a home of its own. ``prefix`` starts each command."""

    home: Home
    folder: Path
    port: int
    students: int
    prefix: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [f"s{number:02}" for number in range(self.students)]

    def act(self, action: str, *words: str, code: int = 0) -> Answer:
        answer = isolab(self.home, "class", action, self.folder, *words, prefix=self.prefix, seconds=600)
        assert answer.code == code, answer.stdout + answer.stderr
        return answer

    def json(self, action: str, *words: str, code: int = 0) -> Any:
        return json.loads(self.act(action, *words, "--format", "json", code=code).stdout)

    def ssh(self, name: str, *command: str, stdin: bytes = b"") -> process.Finished:
        """What a student types on a computer of theirs."""
        options = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]
        options += ["-F", "none", "-i", str(self.home.root / "keys" / name), "-p", str(self.port)]
        argv = ["ssh", *options, "lab@127.0.0.1", *command]
        return process.run(argv, deadline=Deadline.after(300), stdin=stdin, check=False)

    def everybody(self, work: Any) -> list[Any]:
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            return list(pool.map(work, self.names))

    def grades(self) -> dict[tuple[str, str], dict[str, str]]:
        with (self.folder / "grades/graded/grades.csv").open(encoding="utf-8-sig") as file:
            return {(row["id"], row["exercise"]): row for row in csv.DictReader(file)}


def made_up(home: Home, students: int) -> Term:
    folder = home.root / "class"
    folder.mkdir()
    shutil.copytree(LABS / "graded", folder / "graded")
    port = free_port()
    (folder / "class.yaml").write_text(CLASS.format(port=port))
    (home.root / "keys").mkdir()
    term = Term(home, folder, port, students)
    rows = []
    for name in term.names:
        make_key(home.root / "keys" / name)
        rows.append([name, f"Student {name}", (home.root / "keys" / f"{name}.pub").read_text().strip()])
    with (folder / "roster.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "name", "ssh_key"], *rows])
    return term


@pytest.fixture(
    params=[4, pytest.param(60, marks=pytest.mark.whole("60 students take minutes; four do the same things"))]
)
def term(request: pytest.FixtureRequest) -> Iterator[Term]:
    if os.getuid() != 0:
        pytest.skip("needs root, or user namespaces for the gateway's login names")
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield made_up(home, request.param)
        assert home.settled() == []


def test_a_term(term: Term) -> None:
    assert term.json("plan")["fits"] is True
    assert len(term.json("up")["up"]) == term.students

    def works(name: str) -> tuple[int, int]:
        """Write both programs, the second wrong for odd students; look at the first, and hand both in."""
        right = int(name[1:]) % 2 == 0
        for exercise, answer in (("sum", 13), ("product", 42 if right else 41)):
            there = f"graded/{exercise}/{exercise}.c"
            done = term.ssh(name, f"cat > {there} && wc -c < {there}", stdin=program(answer))
            assert int(done.stdout) == len(program(answer)), done.stderr
        checked = term.ssh(name, "isolab", "check", "graded/sum")
        handed_in = term.ssh(name, "isolab", "hand-in")
        assert handed_in.code == 0, handed_in.stdout + handed_in.stderr
        return checked.code, handed_in.code

    assert set(term.everybody(works)) == {(0, 0)}
    rows = {row["seat"]: row for row in term.json("status")["seats"]}
    assert {row["machines"][0]["state"] for row in rows.values()} == {"up"}
    assert all(
        row["passed"]["graded/sum"]["points"] == row["passed"]["graded/sum"]["of"] for row in rows.values()
    )
    assert all(set(row["handed_in"]) == {"graded/sum", "graded/product"} for row in rows.values())

    collected = term.json("collect")
    assert [one["problem"] for one in collected["machines"]] == [""] * term.students
    mine = term.folder / "collected/s01/desk/graded/sum/sum.c"
    assert mine.read_bytes() == program(13)

    graded = isolab(term.home, "grade", term.folder, seconds=900)
    assert graded.code == 1, graded.stdout + graded.stderr  # the wrong products lose points
    rows_of = term.grades()
    assert len(rows_of) == 2 * term.students
    assert {rows_of[name, "./sum"]["points"] for name in term.names} == {"3"}
    assert {rows_of[name, "./product"]["points"] for name in term.names[::2]} == {"3"}
    assert {rows_of[name, "./product"]["points"] for name in term.names[1::2]} == {"1"}
    assert (term.folder / "grades/graded/feedback/s00.html").is_file()

    assert len(term.json("down")["down"]) == term.students
    assert isolab(term.home, "gc").code == 0
    with socket.create_server(("127.0.0.1", term.port)):
        pass  # nobody has the gateway's port any more


@pytest.mark.whole("what is killed is replaced in the same way, which CI tries")
def test_after_a_reboot_of_the_host_everybody_is_back_with_the_work(term: Term) -> None:
    """Whatever ran is gone at once, with the scratch folder, which may be on a tmpfs; what is left is of
    another boot, and process ids are anybody's."""
    if term.students > 4:
        pytest.skip("four students show the same")
    before = sorted(term.json("up")["up"])
    noted = term.names[:2]
    for name in noted:
        assert term.ssh(name, f"echo of {name} > note; {COMMITTED}").code == 0
    keys = (term.home.root / "state").rglob("host_key")
    shown = {path: path.read_text() for path in keys}
    assert shown
    for pid in term.home.processes():
        process_table.end(pid, patience=0)
    shutil.rmtree(term.home.scratch)
    boot = term.home.root / "boot_id"
    boot.write_text(f"{uuid.uuid4()}\n")
    term = replace(term, prefix=("unshare", "--mount", "sh", "-c", OTHER_BOOT, str(boot)))
    rows = term.json("status")["seats"]
    assert {(row["machines"][0]["state"], row["logged_in"]) for row in rows} == {("dead", 0)}
    assert sorted(term.json("up")["up"]) == before
    for name in noted:
        kept = term.ssh(name, "cat note")
        assert kept.stdout.decode() == f"of {name}\n", kept.stderr
    assert {path: path.read_text() for path in shown} == shown  # nobody is warned of another server
    assert {row["machines"][0]["state"] for row in term.json("status")["seats"]} == {"up"}
    assert term.json("down")["failed"] == []
    assert (term.folder / "collected/s00/desk/note").read_text() == "of s00\n"


def test_what_is_killed_costs_no_work(term: Term) -> None:
    if term.students > 4:
        pytest.skip("four students show the same")
    term.act("up")
    note = "echo of {} > note; cat note"
    for name in term.names:
        assert term.ssh(name, note.format(name)).stdout.decode() == f"of {name}\n"
        assert term.ssh(name, COMMITTED).code == 0
    killed = 0
    for pid, words in term.home.command_lines().items():
        program = " ".join(words)
        if "qemu-system" in program or "sshd" in program or "serve" in words:
            process_table.end(pid, patience=0)
            killed += 1
    assert killed >= term.students + 2  # with the gateway and the service
    told = term.json("up")
    assert len(told["up"]) == term.students
    for name in term.names:
        kept = term.ssh(name, "cat note")
        assert kept.stdout.decode() == f"of {name}\n", kept.stderr
    assert term.json("down")["failed"] == []
