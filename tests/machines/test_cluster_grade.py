"""A class is graded on the hosts of a cluster: the same grades as on one host, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cluster_hosts import NetHosts, hosts
from command import isolab, started
from graded import Folder
from habitat import Home, fresh_home, wait_until
from places import LABS

from orchestrator.host import process_table

pytestmark = [
    pytest.mark.real,
    pytest.mark.whole("two installations are made, and a class is graded three times"),
]

CLASS = 14
NAP = "sleep(2);"


def program(answer: int, mark: str) -> str:
    text = json.dumps(f'{{"answer": {answer}}}')
    return (
        f"// {mark}\n#include <stdio.h>\n#include <unistd.h>\n"
        f"int main(void) {{ {NAP} return puts({text}) < 0; }}\n"
    )


@dataclass(frozen=True)
class Room:
    """Two hosts, and a controller with a home of its own; all share one cache of images."""

    home: Home
    net: NetHosts
    file: Path
    lab: Path
    handed_in: Path

    def words(self, out: str, *more: str | Path) -> tuple[str | Path, ...]:
        return ("grade", self.lab, self.handed_in, "--out", self.home.root / out, *more)

    def grade(self, out: str, *more: str | Path) -> dict[str, Any]:
        answer = isolab(self.home, *self.words(out, *more), "--format", "json")
        assert answer.code == 1, answer.stdout + answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def folder(self, out: str) -> Folder:
        return Folder(self.home.root / out)

    def hosts_of(self, out: str) -> Counter[str]:
        """How many receipts each host has in a folder of grades so far."""
        lines = self.folder(out).receipts()
        return Counter(json.loads(line)["receipt"].get("host", "") for line in lines)

    def workers(self, host: str) -> list[int]:
        found = []
        for pid in self.net[host].processes():
            try:
                words = process_table.arguments(pid)
            except OSError:
                continue
            if any("scheduling.worker" in word for word in words):
                found.append(pid)
        return found


def _hand_in(place: Path) -> None:
    """A class of which some are right, some wrong, some do not compile, and some hand in half of it."""
    for number in range(CLASS):
        for name, right in (("sum", 13), ("product", 42)):
            if number == 5 and name == "sum":
                continue
            folder = place / f"s{number:02}" / name
            folder.mkdir(parents=True)
            text = program(right + (number % 5 == 3), str(number))
            (folder / f"{name}.c").write_text("int main(void) { return zero; }\n" if number == 4 else text)


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    cache = Path(os.environ.get("ISOLAB_CACHE", str(Path.home() / ".cache" / "isolab")))
    more = f"SetEnv ISOLAB_CACHE={cache}"
    with hosts(("alder", "birch"), more=more, shared=cache) as net, fresh_home() as home:
        file, lab, handed_in = home.root / "hosts.yaml", home.root / "lab", home.root / "handed-in"
        rows = [f'  - {{name: {one.name}, ssh: "root@{one.address}", memory: 1GiB}}\n' for one in net.hosts]
        file.write_text("hosts:\n" + "".join(rows))
        shutil.copytree(LABS / "graded", lab)
        _hand_in(handed_in)
        try:
            answer = isolab(home, "cluster", "up", file, "--cold")
            assert answer.code == 0, answer.stderr
            yield Room(home, net, file, lab, handed_in)
        finally:
            isolab(home, "cluster", "down", file)


def test_grades_are_those_of_one_host_though_everything_dies(room: Room) -> None:
    room.grade("local")
    words = room.words("spread", "--cluster", room.file)
    with started(room.home, *words) as first:
        wait_until(lambda: room.hosts_of("spread").total() >= 4, "verdicts")
        first.send(signal.SIGKILL)
    before = room.hosts_of("spread")
    with started(room.home, *words) as second:
        wait_until(lambda: room.hosts_of("spread")["birch"] > before["birch"], "more of birch's verdicts")
        victims = room.workers("birch")
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        room.net["alder"].off()
        try:
            assert second.wait(300) == 1, second.said  # nobody without a result
        finally:
            room.net["alder"].on()
    after = room.hosts_of("spread")
    assert after.total() == 2 * CLASS, "a verdict was lost, or sealed twice"
    assert set(after) <= {"alder", "birch"}
    assert room.folder("spread").grades() == room.folder("local").grades()


def test_nothing_changed_is_nothing_graded_though_a_host_is_away(room: Room) -> None:
    found = room.grade("spread", "--cluster", room.file)
    assert (found["graded"], found["changes"]) == (0, [])


def test_nothing_of_it_is_left_on_a_host(room: Room) -> None:
    birch = room.net["birch"]
    sent = [path for path in birch.home.rglob(".run") if path.is_file()]
    assert sent == [], "a bundle of grading is still there"
    files = [path for top in (birch.home, birch.root / "tmp") for path in top.rglob("sum.c")]
    assert files == []


def test_a_student_s_work_is_graded_once_more_elsewhere(room: Room) -> None:
    more = ("--verify", room.home.root / "spread", "--student", "s03", "--cluster", room.file)
    answer = isolab(room.home, "grade", *more)
    assert answer.code == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("the same verdict") == 2


def test_a_pinned_machine_is_graded_on_its_host_alone(room: Room) -> None:
    room.grade("pinned", "--cluster", room.file, "--pin", "guest=birch", "--exercise", "sum")
    assert set(room.hosts_of("pinned")) == {"birch"}
