"""A class comes up, is put right by the next `up` whatever happened to it, and goes without a trace."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import Answer, isolab, started
from consoles import keep_consoles
from habitat import Home, fresh_home, wait_until
from made_up_term import write_class

from orchestrator.host import process_table

pytestmark = pytest.mark.real

STUDENTS = 4
MACHINES = """\
machines:
  desk: {driver: qemu, arch: arm64, networks: [lan]}
  peer: {driver: qemu, arch: arm64, networks: [lan]}
networks: {lan: {}}
"""


@dataclass(frozen=True)
class Term:
    """A class in a home of its own."""

    home: Home
    folder: Path

    def act(self, action: str, *words: str, code: int = 0) -> Answer:
        answer = isolab(self.home, "class", action, self.folder, *words)
        assert answer.code == code, answer.stderr
        return answer

    def json(self, action: str, *words: str, code: int = 0) -> Any:
        return json.loads(self.act(action, *words, "--format", "json", code=code).stdout)

    def states(self) -> dict[str, str]:
        """The state of each machine, by seat and name."""
        seats = self.json("status")["seats"]
        return {
            f"{seat['seat']}/{one['machine']}": one["state"] for seat in seats for one in seat["machines"]
        }

    def emulators(self) -> dict[str, int]:
        """The process of each machine's QEMU, by seat and name."""
        found = {}
        for pid, words in self.home.command_lines().items():
            console = next((word for word in words if word.startswith("file,id=console,path=")), "")
            if console:
                *_, session, machine, _log = console.split("/")
                found[f"{session.removeprefix('term.')}/{machine}"] = pid
        return found


@pytest.fixture
def term(request: pytest.FixtureRequest) -> Iterator[Term]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield Term(home, write_class(home.root / "class", STUDENTS, machines=MACHINES))
        assert home.settled() == []


def test_a_class_is_put_right_by_the_next_up(term: Term) -> None:
    everybody = {f"s{one:02}/{name}": "up" for one in range(STUDENTS) for name in ("desk", "peer")}
    assert sorted(term.json("up")["up"]) == sorted(everybody)
    assert term.states() == everybody

    before = term.emulators()
    process_table.end(before["s01/peer"], patience=0)
    assert term.states()["s01/peer"] == "dead"
    again = term.json("up")
    # Its peer shares a network with it, which cannot be joined once it stands.
    assert sorted(again["up"]) == ["s01/desk", "s01/peer"]
    after = term.emulators()
    assert {place for place in before if before[place] != after[place]} == {"s01/desk", "s01/peer"}

    assert term.json("reset", "desk", "--student", "s02")["reset"] == ["s02/desk"]
    assert {place for place in after if after[place] != term.emulators()[place]} == {"s02/desk"}
    script = "ping -c 1 -w 20 peer > /dev/null && hostname"
    said = isolab(term.home, "ssh", "--user", "root", "term.s02/desk", "--", script)
    assert (said.code, said.stdout.strip()) == (0, "desk"), said.stderr

    roster = term.folder / "roster.csv"
    roster.write_text(roster.read_text().replace("s03", "s09"))
    told = term.json("up", code=0)
    assert sorted(told["up"]) == ["s09/desk", "s09/peer"]
    assert told["left_the_roster"] == ["s03"]
    term.act("up", "--prune")
    assert "s03/desk" not in term.emulators()

    assert len(term.json("down", "--student", "s09")["down"]) == 2
    term.act("down")
    assert json.loads(isolab(term.home, "status", "--format", "json").stdout) == {"machines": []}


def test_killed_in_the_middle_it_goes_on(term: Term) -> None:
    with started(term.home, "class", "up", term.folder) as run:
        wait_until(lambda: len(term.emulators()) >= 2 or run.child.poll() is not None, "two machines")
        run.send(signal.SIGKILL)
        run.wait()
    told = term.json("up")
    assert len(told["up"]) + len(told["were_up"]) == 2 * STUDENTS
    assert set(term.states().values()) == {"up"}
    term.act("down")


def test_interrupted_it_keeps_what_is_up(term: Term) -> None:
    term.act("up", "--student", "s00")
    with started(term.home, "class", "up", term.folder) as run:
        wait_until(lambda: len(term.emulators()) >= 3 or run.child.poll() is not None, "a third machine")
        run.send(signal.SIGINT)
        assert run.wait() == 130, run.said
        assert "stay up" in run.said
    states = term.states()
    assert (states["s00/desk"], states["s00/peer"]) == ("up", "up")
    assert "dead" not in states.values()
    term.act("down")
