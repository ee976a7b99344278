"""Who is the agent of a host: one process, of one installation of isolab."""

from __future__ import annotations

import fcntl
import socket
import sys
import threading
from pathlib import Path
from typing import IO

import pytest
from agents import DIGEST, RUN, agent_in, soon

from orchestrator.cluster.agent import background as module
from orchestrator.cluster.agent import present, relay
from orchestrator.cluster.agent.background import agent_process, connected, serve
from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.labs import BundleFormat
from orchestrator.cluster.agent.paths import AgentPlace, agent_place
from orchestrator.cluster.agent.present import connect
from orchestrator.cluster.agent.streams import SocketStream
from orchestrator.cluster.model import SignedLine
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.paths import ROOT


class Process:
    """What the agent's process does, in a thread of ours."""

    def __init__(self, place: AgentPlace) -> None:
        self.place, self.stop, self.said = place, threading.Event(), list[str]()
        self.was = list[bool]()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        formats = BundleFormat(lambda *_: None, lambda _: pytest.fail("no lab is asked for"))
        self.was.append(serve(self.place, formats, self.stop, self.said.append))

    def end(self) -> None:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AgentPlace:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    return agent_place()


def test_there_is_one_agent(place: AgentPlace) -> None:
    assert agent_process(place) is None
    first = Process(place)
    line = connected_to(place)
    second = Process(place)
    second.thread.join(60)
    assert second.was == [False]
    line.close()
    first.end()
    assert first.was == [True]
    assert agent_process(place) is None
    assert connect(place) is None


@pytest.mark.parametrize("wanted", [True, False])
def test_one_that_waits_for_another_to_end_is_the_next_only_if_it_is_wanted(
    place: AgentPlace, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    """As when a shell starts one again, and a relay another."""
    monkeypatch.setattr(module, "LOCK_SECONDS", 60.0)
    with place.lock.open("a+") as file:  # another one, that is about to end
        fcntl.flock(file, fcntl.LOCK_EX)
        waits, locks = threading.Semaphore(0), module._locks

        def seen(own: IO[str]) -> bool:
            if found := locks(own):
                return found
            waits.release()
            return False

        monkeypatch.setattr(module, "_locks", seen)
        process = Process(place)
        assert waits.acquire(timeout=60)
        if wanted:
            place.wanted.touch()
    if wanted:
        connected_to(place).close()
    else:
        process.thread.join(60)
    process.end()
    assert process.was == [wanted]


def connected_to(place: AgentPlace) -> SocketStream:
    return SocketStream(poll(lambda: connect(place), soon(), "the agent to listen"))


def test_it_ends_what_a_killed_one_left_before_it_answers(place: AgentPlace) -> None:
    killed = agent_in(place.folder)
    killed.units.ledger.begin("0" * 32, 1, RUN, "lab1", 60.0)
    (place.incoming / "half a file").touch()
    half = place.bundles / ".unpacking-x"
    half.mkdir()
    process = Process(place)
    with AgentClient(connected_to(place)) as client:
        (end,), ended = client.lines("0" * 32, 1, soon())
        assert isinstance(end, SignedLine)
        assert (ended, end.kind) == (True, "end")
        assert client.beat([RUN], 60.0, soon()) == [RUN]
        assert client.missing([DIGEST], soon()) == []
    assert list(place.incoming.iterdir()) == []
    assert not half.exists()
    process.end()


def test_what_is_old_is_forgotten(place: AgentPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = agent_in(place.folder)
    before.units.ledger.begin("0" * 32, 1, RUN, "lab1")
    (place.logs / RUN).mkdir()
    monkeypatch.setattr(module, "FORGET_SECONDS", -1.0)
    process = Process(place)
    connected_to(place).close()
    assert before.units.ledger.newest("0" * 32) is None
    assert list(place.logs.iterdir()) == list(place.bundles.iterdir()) == []
    process.end()


def test_one_of_another_installation_is_replaced_unless_it_has_guests(
    place: AgentPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Process] = []

    def start(*_: object) -> None:
        place.wanted.touch()
        started.append(Process(place))

    monkeypatch.setattr(module, "_start", start)
    monkeypatch.setattr(present, "WHOSE", "/older/python 0.1.0")
    older = Process(place)
    connected_to(place).close()
    monkeypatch.setattr(present, "WHOSE", "/newer/python 0.2.0")
    guests = [True]
    monkeypatch.setattr(
        AgentClient, "leases", lambda *_: [{"kept": False, "guests": ["m"]}] if guests[0] else []
    )
    with pytest.raises(Unavailable, match="of another version of isolab, and still has guests"):
        connected(place)
    guests[0] = False
    connected(place).close()
    older.thread.join(60)
    assert not older.thread.is_alive()
    (newer,) = started
    connected(place).close()
    assert len(started) == 1
    newer.end()


def test_one_that_does_not_start_leaves_its_last_words(
    place: AgentPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.05)
    monkeypatch.setattr(module, "_start", lambda place, _: place.log.write_text("one\nthe disk is full\n"))
    with pytest.raises(Unavailable, match="did not start: the disk is full"):
        connected(place)


def test_a_relay_of_an_agent_that_is_there_loads_little() -> None:
    code = "import sys, orchestrator.cluster.agent.relay; print(*sys.modules)"
    done = process.run([sys.executable, "-c", code], deadline=Deadline.after(60), cwd=ROOT)
    assert not {"pydantic", "invoke", "cryptography", "yaml"} & set(done.stdout.decode().split())


def test_a_relay_leaves_it_to_the_command_to_start_an_agent(
    place: AgentPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    became, relayed = list[list[str]](), list[str]()
    monkeypatch.setattr(process, "become", became.append)

    def relay_it(line: socket.socket) -> None:
        relayed.append("to it")
        line.close()

    monkeypatch.setattr(relay, "relay", relay_it)
    relay.main()
    assert [words[-1] for words in became] == ["agent"]
    own = Process(place)
    connected_to(place).close()
    relay.main()
    assert (len(became), relayed) == (1, ["to it"])
    monkeypatch.setattr(present, "WHOSE", "/another/python 0.1.0")
    relay.main()
    assert (len(became), relayed) == (2, ["to it"])
    own.end()
