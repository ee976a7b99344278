"""The damage lab, end to end: what each boundary stops is read off canaries on this host."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Answer, isolab, started, statuses
from consoles import keep_consoles
from habitat import Home, fresh_home, wait_until
from places import LABS
from trees import below

from orchestrator.exercises.canaries.base import JOURNAL
from orchestrator.paths import ROOT

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("attacks"),
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: canaries belong to several users"),
]

MACHINES = ("process", "sandbox", "container", "vm", "s390x")
ONLY = ("--only", ",".join(MACHINES))
APART = ("container", "vm", "s390x")
OPEN = {
    "own-data": {"own_file": "written"},
    "files": {"secret": "read", "file": "written", "entry": "deleted"},
    "other-processes": {"process": "signalled"},
    "memory-of-others": {"shared_memory": "written", "segment": "written", "queue": "emptied"},
    "network": {"listener": "reached", "datagram": "reached", "socket": "reached"},
    "resources": {"forks": "starved"},
    "persistence": {"left_file": "on the host"},
}
"""What comes of an attack by a bare process, which nothing but its user confines."""
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


class Run:
    """One run of the lab."""

    def __init__(self, home: Home) -> None:
        self.home = home
        before = {*home.root.iterdir()}
        self.answer: Answer = isolab(
            home,
            "run",
            ROOT / "labs" / "damage",
            "--only",
            ",".join(MACHINES),
            "--out",
            home.out,
            seconds=900,
        )
        lines = (home.out / "records.jsonl").read_text().splitlines()
        self.records: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.left = {*home.root.iterdir()} - before - {home.out, home.root / "state"}
        """In the folder where the command was given."""

    def canaries(self, machine: str, exercise: str) -> dict[str, str]:
        """What became of the canaries of one attack, names without their ending."""
        (found,) = (
            r for r in self.records if (r["machine"], r["exercise"]) == (machine, f"damage/{exercise}")
        )
        seen = found["observations"].items()
        return {key.removesuffix("_canary"): value for key, value in seen if key.endswith("_canary")}


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield Run(home)


def test_every_expectation_holds(run: Run) -> None:
    bad = [r for r in run.records if r["status"] not in ("pass", "skip")]
    assert [(r["machine"], r["exercise"], r["reason"]) for r in bad] == []
    assert run.answer.code == 0, run.answer.stderr


def test_nothing_is_left_where_the_command_was_given(run: Run) -> None:
    """An engine's helpers write a file there, too, when a program is killed for its memory."""
    assert run.left == set()


@pytest.mark.parametrize("exercise", OPEN)
def test_a_bare_process_gets_through(run: Run, exercise: str) -> None:
    """The proof that the attacks are attacks, and that canaries notice them."""
    found = run.canaries("process", exercise)
    assert {key: found[key] for key in OPEN[exercise]} == OPEN[exercise]


@pytest.mark.skipif(YAMA.exists() and YAMA.read_text().strip() != "0", reason="Yama stops it here")
def test_a_bare_process_writes_into_another(run: Run) -> None:
    assert run.canaries("process", "memory-of-others")["memory"] == "written"


@pytest.mark.parametrize("machine", APART)
def test_a_container_and_machines_of_their_own_leave_the_host_untouched(run: Run, machine: str) -> None:
    hurt = {
        (r["exercise"], key): value
        for r in run.records
        if r["machine"] == machine
        for key, value in r["observations"].items()
        if key.endswith("_canary") and value != "untouched" and not value.startswith("not planted")
    }
    hurt.pop(("damage/own-data", "own_file_canary"))  # no boundary is in between
    if machine == "container":
        hurt.pop(("damage/resources", "forks_canary"), None)  # user ids are counted across containers
    assert hurt == {}


def test_what_belongs_to_another_user_is_safe_everywhere(run: Run) -> None:
    for machine in MACHINES:
        assert run.canaries(machine, "files")["other_file"] == "untouched"
        assert run.canaries(machine, "other-processes")["other_process"] == "untouched"


def test_the_sandbox_stops_sockets_and_system_calls_but_not_names_and_numbers(run: Run) -> None:
    network = run.canaries("sandbox", "network")
    assert (network["listener"], network["socket"]) == ("untouched", "reached")
    assert run.canaries("sandbox", "other-processes") == {
        "process": "signalled", "other_process": "untouched",
    }  # fmt: skip


def test_root_gets_out_of_nothing(run: Run) -> None:
    for machine in APART:
        found = run.canaries(machine, "escape-attempts")
        assert {key: found[key] for key in ("secret", "file", "hostname")} == dict.fromkeys(
            ("secret", "file", "hostname"), "untouched"
        )


def test_the_matrix_is_in_the_reports(run: Run) -> None:
    page = (run.home.out / "report.html").read_text()
    for text in (run.answer.stdout, (run.home.out / "report.md").read_text(), page):
        for words in ("NOT blocked", "does not apply", "a pid namespace"):
            assert words in text


def test_a_program_cannot_deny_what_it_did() -> None:
    with fresh_home() as home:
        answer = isolab(home, "run", LABS / "attacked", "--exercise", "./forger", "--out", home.out)
        assert answer.code == 0, answer.stderr
        assert statuses(home) == {("bare", "./forger"): "pass"}
        (found,) = map(json.loads, (home.out / "records.jsonl").read_text().splitlines())
        assert found["observations"] == {"file_canary": "written", "honest": False}
        assert "ignored file_canary in the output: only the controller observes that" in found["reason"]


def _standing(names: set[str]) -> set[str]:
    """Which of these objects, that outlive a process, there are: paths, and keys of System V."""
    found = {name for name in names if name.startswith("/") and Path(name).exists()}
    for kind in ("shm", "msg"):
        for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]:
            key = str(int(line.split()[0]) & 0xFFFFFFFF)
            found |= {f"{kind} {key}"} if key in names else set()
    return found


def test_gc_leaves_no_canary_of_a_killed_run() -> None:
    with fresh_home() as home:
        with started(home, "run", LABS / "attacked", "--exercise", "./waiting", "--out", home.out) as command:
            ready = "bare/work/waiting/ready"
            wait_until(
                lambda: any(str(path).endswith(ready) for path in below(home.own)), "the attack to be made"
            )
            (journal,) = (path for path in below(home.root) if path.name == JOURNAL)
            names = {str(json.loads(line)[1]) for line in journal.read_text().splitlines()}
            # Two files left, a shared memory object, a segment, a queue.
            assert len(_standing(names)) >= 5
            command.send(signal.SIGKILL)
            command.wait()
        answer = isolab(home, "gc")
        assert answer.code == 0, answer.stderr
        assert "canary" in answer.stdout
        assert home.processes() == []
        assert _standing(names) == set()
