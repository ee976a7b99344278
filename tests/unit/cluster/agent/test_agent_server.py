"""The agent's process: its socket, the relay to it, and when it ends by itself."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import Agent, agent_in, kinds, soon, unit

from orchestrator.cluster.agent import server as module
from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.connection import Connection
from orchestrator.cluster.agent.present import connect
from orchestrator.cluster.agent.relay import relay
from orchestrator.cluster.agent.server import Server
from orchestrator.cluster.agent.signing import host_key
from orchestrator.cluster.agent.streams import over_socket
from orchestrator.deadline import poll
from orchestrator.errors import TransportError, Unavailable


class Running:
    """An agent that listens, in a thread."""

    def __init__(self, agent: Agent, idle: float) -> None:
        self.agent, self.stop = agent, threading.Event()
        self.server = Server(agent.place, agent.units, agent.said.append, idle)
        self.thread = threading.Thread(target=self.server.run, args=(self.stop,), daemon=True)
        self.thread.start()
        poll(self._answers, soon(), "the agent to listen")

    def _answers(self) -> bool:
        found = connect(self.agent.place)
        if found is not None:
            found.close()
        return found is not None

    def ends(self) -> bool:
        self.thread.join(60)
        return not self.thread.is_alive()


@contextlib.contextmanager
def _listening(folder: Path, monkeypatch: pytest.MonkeyPatch, idle: float = 3600.0) -> Iterator[Running]:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)
    (folder / "agent").mkdir()
    running = Running(agent_in(folder / "agent"), idle)
    yield running
    running.stop.set()
    assert running.ends()
    assert not running.agent.place.socket.exists()


def test_its_socket_is_its_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    with _listening(deep, monkeypatch) as running:
        assert stat.S_IMODE(running.agent.place.socket.stat().st_mode) == 0o600
        assert len(os.fsencode(running.agent.place.socket)) > 107
        with AgentClient(over_socket(running.agent.place.socket)) as client:
            assert client.leases(soon()) == []


def test_it_ends_when_nobody_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _listening(tmp_path, monkeypatch, idle=0.1) as running:
        assert running.ends()
        assert not running.agent.place.wanted.exists()
        assert connect(running.agent.place) is None


def test_it_stays_for_units_and_for_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _listening(tmp_path, monkeypatch) as running:
        place, script = running.agent.place, running.agent.script
        with AgentClient(over_socket(place.socket)) as client:
            assert client.leases(soon()) == []
            running.server.idle_seconds = 0.0
            script.steps.put("first")
            assert next(client.run(unit(), soon())).number == 0
        looks = threading.Semaphore(0)
        look = running.agent.units.end_leases

        def looked() -> None:
            look()
            looks.release()

        monkeypatch.setattr(running.agent.units, "end_leases", looked)
        for _ in range(5):
            assert looks.acquire(timeout=60)
        with AgentClient(over_socket(place.socket)) as client:  # nobody is here, and it goes on
            script.steps.put("")
            assert kinds(list(client.run(unit(), soon())))[-1] == (1, "end", "")
            for _ in range(5):
                assert looks.acquire(timeout=60)
            assert client.leases(soon())
        assert running.ends()


def test_who_comes_as_it_is_about_to_end_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected when the decision has fallen: the agent stays, and listens anew for those after."""
    came: list[socket.socket] = []
    retired = Server._retired

    def at_the_last_moment(server: Server, listener: socket.socket) -> bool:
        if not came:
            line = connect(server.place)
            assert line is not None
            came.append(line)
        return retired(server, listener)

    monkeypatch.setattr(Server, "_retired", at_the_last_moment)
    with _listening(tmp_path, monkeypatch, idle=0.0) as running:
        poll(lambda: came, soon(), "the agent to be about to end")
        came[0].sendall(b'{"id": 1, "ask": "leases"}\n')
        assert json.loads(came[0].recv(1000)) == {"id": 1, "done": []}
        poll(running.agent.place.socket.exists, soon(), "the agent to listen anew")
        with AgentClient(over_socket(running.agent.place.socket)) as client:
            assert client.leases(soon()) == []
        came[0].close()
        assert running.ends()


def test_told_to_stop_it_takes_nothing_new_and_ends_after_its_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        _listening(tmp_path, monkeypatch) as running,
        AgentClient(over_socket(running.agent.place.socket)) as client,
    ):
        running.agent.script.steps.put("first")
        lines = client.run(unit(), soon())
        next(lines)
        client.stop(soon())
        poll(lambda: running.agent.units.closing, soon(), "the agent to have heard it")
        with pytest.raises(Unavailable, match="is ending"):
            next(client.run(unit("n"), soon()))
        running.agent.script.steps.put("")
        assert kinds(list(lines)) == [(1, "end", "")]
        assert running.ends()


def test_a_lack_of_descriptors_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, left = Server._accept, [2]

    def scarce(server: Server, listener: socket.socket) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(24, "Too many open files")
        accept(server, listener)

    monkeypatch.setattr(Server, "_accept", scarce)  # before it starts: it waits in one for its first client
    with _listening(tmp_path, monkeypatch) as running:
        with AgentClient(over_socket(running.agent.place.socket)) as client:
            assert client.leases(soon()) == []
        assert sum("Too many open files" in words for words in running.agent.said) == 2


def test_whoever_tells_it_to_stop_gets_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the agent may be gone before the answer is sent."""
    with _listening(tmp_path, monkeypatch) as running:
        answer, ended = Connection._send, running.thread

        def late(connection: Connection, message: dict[str, object]) -> None:
            ended.join(0.5)  # it must not end before this
            answer(connection, message)

        monkeypatch.setattr(Connection, "_send", late)
        with AgentClient(over_socket(running.agent.place.socket)) as client:
            client.stop(soon())
        assert running.ends()


def test_ended_it_tears_everything_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        _listening(tmp_path, monkeypatch) as running,
        AgentClient(over_socket(running.agent.place.socket)) as client,
    ):
        running.agent.script.steps.put("first")
        lines = client.run(unit(), soon())
        next(lines)
        running.stop.set()
        assert running.ends()
        assert running.agent.script.torn_down == [1]
        assert kinds(running.agent.units.ledger.lines(unit().key, 1))[-1] == (1, "end", "the agent was ended")


def test_the_relay_passes_everything_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _listening(tmp_path, monkeypatch) as running:
        line = connect(running.agent.place)
        assert line is not None
        (given, give), (take, taken) = os.pipe(), os.pipe()
        thread = threading.Thread(target=relay, args=(line, given, taken))
        thread.start()
        os.write(give, b'{"id": 1, "ask": "leases"}\n{"id": 2, "a')
        os.write(give, b'sk": "leases"}\n')
        answers = b""
        while answers.count(b"\n") < 2:
            answers += os.read(take, 1000)
        assert {1, 2} == {json.loads(one)["id"] for one in answers.splitlines()}
        os.close(give)  # as sshd does when the connection is gone
        thread.join(60)
        assert not thread.is_alive()
        for descriptor in (given, take, taken):
            os.close(descriptor)


def test_the_relay_ends_when_nobody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _listening(tmp_path, monkeypatch) as running:
        line = connect(running.agent.place)
        assert line is not None
        (given, give), (take, taken) = os.pipe(), os.pipe()
        thread = threading.Thread(target=relay, args=(line, given, taken))
        thread.start()
        os.close(take)
        thread.join(60)
        assert not thread.is_alive()
        for descriptor in (given, give, taken):
            os.close(descriptor)


def test_where_no_agent_is_the_socket_says_so(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="no agent answers"):
        over_socket(tmp_path / "agent.sock")


def test_a_damaged_key_is_told(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    first = host_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert host_key(file).public == first.public
    file.write_text("damaged")
    with pytest.raises(Unavailable, match="cannot be read"):
        host_key(file)
