"""G5, G6: what a broken link costs a run: nothing, once it is whole again, and nobody restarts anything."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import living_in
from cluster_hosts import NetHosts, hosts
from command import isolab, started
from habitat import Home, fresh_home, wait_until

from orchestrator.cluster.paths import cluster_state
from orchestrator.cluster.supervisor import State, status
from orchestrator.host import process_table
from orchestrator.record import read_records

pytestmark = [
    pytest.mark.real,
    pytest.mark.whole("SSH takes 15 s to notice a link that is silent, and two installations are made"),
]

NAP = '#include <stdio.h>\n#include <unistd.h>\nint main(void) { sleep(3); puts("slept"); return 0; }\n'
LONG = "long"
"""A program that outlasts a lease by far; its timeout does, too."""
EXERCISE = """\
title: A nap
build: {sources: [nap.c]}
run: ./nap
timeout: 400s
checks:
  - {that: exit_code, equals: 0}
"""
MACHINES, NAPS = ("p1", "p2"), ("./nap0", "./nap1", "./nap2", "./nap3")
ALL = sorted((machine, name, "pass") for machine in MACHINES for name in NAPS)


@dataclass(frozen=True)
class Room:
    home: Home
    net: NetHosts
    file: Path
    lab: Path

    def running(self, program: str) -> list[int]:
        """Processes of this program on the hosts."""
        mine = {pid for host in self.net.hosts for pid in host.processes()}
        return sorted(pid for pid in mine if _words(pid)[:1] == [program])

    def state_of(self, host: str) -> State:
        with living_in(self.home):
            return status(cluster_state(self.file)).hosts[host].state

    def records(self, out: Path) -> list[tuple[str, str, str]]:
        file = out / "records.jsonl"
        found = read_records(file) if file.exists() else ()
        return sorted((one.machine, one.exercise, str(one.status)) for one in found)


def _words(pid: int) -> list[str]:
    try:
        return process_table.arguments(pid)
    except OSError:
        return []


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    cache = os.environ.get("ISOLAB_CACHE", str(Path.home() / ".cache" / "isolab"))
    with (
        hosts(("alder", "birch"), more=f"SetEnv ISOLAB_CACHE={cache}", shared=Path(cache)) as net,
        fresh_home() as home,
    ):
        file, lab = home.root / "hosts.yaml", home.root / "lab"
        file.write_text(
            "hosts:\n" + "".join(f"  - name: {h.name}\n    ssh: root@{h.address}\n" for h in net.hosts)
        )
        for name in NAPS:
            (lab / name).mkdir(parents=True)
            (lab / name / "nap.c").write_text(NAP)
            (lab / name / "exercise.yaml").write_text(EXERCISE)
        machines = "".join(f"  {name}: {{driver: process}}\n" for name in MACHINES)
        (lab / "lab.yaml").write_text(f"lab: naps\nmachines:\n{machines}exercises: {json.dumps(NAPS)}\n")
        (lab / LONG / LONG).mkdir(parents=True)
        (lab / LONG / LONG / "nap.c").write_text(NAP.replace("sleep(3)", "sleep(300)"))
        (lab / LONG / LONG / "exercise.yaml").write_text(EXERCISE)
        (lab / LONG / "lab.yaml").write_text(f"lab: long\nmachines:\n{machines}exercises: [./{LONG}]\n")
        try:
            answer = isolab(home, "cluster", "up", file, "--cold")
            assert answer.code == 0, answer.stderr
            yield Room(home, net, file, lab)
        finally:
            isolab(home, "cluster", "down", file)


@pytest.mark.parametrize("break_it", ["cut", "deafen", "mute", "unplug"])
def test_a_run_survives_a_link_that_breaks_and_is_whole_again(room: Room, break_it: str) -> None:
    out, birch = room.home.root / break_it, room.net["birch"]
    words = ("run", room.lab, "--cluster", room.file, "--out", out)
    with started(room.home, *words) as run:
        wait_until(lambda: len(room.records(out)) >= 2, "the first records")
        getattr(birch, break_it)()
        try:
            wait_until(lambda: room.state_of("birch") is State.AWAY, "the supervisor to notice")
        finally:
            birch.heal()
        assert run.wait() == 0, run.said
    assert room.records(out) == ALL
    wait_until(lambda: room.state_of("birch") is State.UP, "birch to be back")


def test_the_units_of_a_host_that_is_switched_off_run_on_another(room: Room) -> None:
    out = room.home.root / "off"
    words = ("run", room.lab, "--cluster", room.file, "--out", out)
    with started(room.home, *words) as run:
        wait_until(lambda: len(room.records(out)) >= 2, "the first records")
        room.net["birch"].off()
        try:
            assert run.wait() == 0, run.said
        finally:
            room.net["birch"].on()
    assert room.records(out) == ALL


def test_what_a_run_left_whose_command_was_killed_ends_with_its_leases(room: Room) -> None:
    """G6: nobody prolongs them any more, though the supervisor lives."""
    with started(room.home, "run", room.lab / LONG, "--cluster", room.file) as run:
        wait_until(lambda: len(room.running("./nap")) == len(MACHINES), "its programs")
        run.send(signal.SIGKILL)
        run.wait()
    assert len(room.running("./nap")) == len(MACHINES)  # nobody has told the hosts
    wait_until(lambda: not room.running("./nap"), "the end of its leases")
    answer = isolab(room.home, "cluster", "status", room.file, "--format", "json")
    assert [host["guests"] for host in json.loads(answer.stdout)["hosts"]] == [0, 0]
