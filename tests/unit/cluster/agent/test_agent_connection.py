"""The agent's protocol from both ends: what is no request, and what an agent must not send."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agents import DIGEST, RUN, Agent, agent_in, soon, unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cluster.agent import requests as requests_module
from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.protocol import LONGEST, PART
from orchestrator.cluster.agent.streams import SocketStream
from orchestrator.cluster.model import HostFacts, SignedLine
from orchestrator.deadline import poll
from orchestrator.errors import LabError, SpecError, TransportError

FACTS = HostFacts("h", "1", "3.11", "amd64", 2, 2**30, False, 1.0, "00" * 32)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setattr(
        requests_module, "host_facts", lambda host, key: replace(FACTS, name=host, public_key=key)
    )
    (tmp_path / "agent").mkdir()
    return agent_in(tmp_path / "agent")


def _ask(line: socket.socket, raw: bytes) -> dict[str, Any]:
    line.sendall(raw + b"\n")
    with line.makefile("rb") as file:
        found = json.loads(file.readline())
    assert isinstance(found, dict)
    return found


def test_facts_bear_the_name_that_the_controller_gives(agent: Agent) -> None:
    with agent.client("lab7") as client:
        facts = replace(FACTS, name="lab7", public_key=agent.units.key.public, bundles=(DIGEST,))
        assert client.facts(soon()) == facts
        client.drain(soon())
        assert client.facts(soon()).drained
        client.drain(soon(), on=False)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"no JSON", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b'{"id": 7, "ask": "dance"}', "does not know 'dance'"),
        (b'{"id": 7}', "does not know 'None'"),
        (b'{"id": 7, "ask": ["run"]}', "does not know"),
        (b'{"id": 7, "ask": "run", "unit": "{}"}', "this is no unit"),
        (b'{"id": 7, "ask": "run", "unit": "[]"}', "this is no unit"),
        (b'{"id": 7, "ask": "beat", "leases": "x", "seconds": 1}', "must be a list of texts"),
        (b'{"id": 7, "ask": "beat", "leases": [], "seconds": true}', "must be a number"),
        (b'{"id": 7, "ask": "put", "digest": "../x", "part": ""}', "no digest"),
        (b'{"id": 7, "ask": "put", "digest": "00112233445566778899", "part": "?"}', "not base64"),
        (b'{"id": 7, "ask": "logs", "run": "..", "limit": 9}', "is no run"),
        (b'{"id": 7, "ask": "lines", "unit": "x", "epoch": "1"}', "must be a whole number"),
    ],
)
def test_what_is_no_request_is_said_and_ends_nothing(agent: Agent, raw: bytes, words: str) -> None:
    with agent.line() as line:
        answer = _ask(line, raw)
        assert words in answer["error"]
        assert answer["id"] == (7 if b"7" in raw else None)
        assert "done" in _ask(line, b'{"id": 8, "ask": "leases"}')


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")), max_size=4))
def test_no_bytes_end_an_agent(agent: Agent, lines: list[bytes]) -> None:
    with agent.line() as line:
        for raw in lines:
            line.sendall(raw + b"\n")
        line.sendall(b'{"id": "the last", "ask": "leases"}\n')
        with line.makefile("rb") as file:
            found = [json.loads(file.readline()) for _ in range(len(lines) + 1)]
    assert {"id": "the last", "done": []} in found
    assert sum("error" in one for one in found) == len(lines)
    assert not any("Traceback" in words for words in agent.said)


def test_a_request_without_an_end_ends_its_connection(agent: Agent) -> None:
    with agent.line() as line:
        with contextlib.suppress(OSError):
            line.sendall(b" " * (LONGEST + 100_000))
        with contextlib.suppress(ConnectionResetError):
            assert line.recv(1) == b""
    assert any("longer than" in words for words in agent.said)


def test_a_file_that_stops_coming_leaves_nothing(agent: Agent) -> None:
    with agent.line() as line:
        _ask(line, b'{"id": 1, "ask": "put", "digest": "00112233445566778899", "part": "AAAA", "more": true}')
        assert len(list(agent.place.incoming.iterdir())) == 1
    assert list(agent.place.incoming.iterdir()) == []


def test_logs_are_bounded_and_say_what_is_left_out(agent: Agent, tmp_path: Path) -> None:
    folder = agent.place.logs / RUN / "m"
    folder.mkdir(parents=True)
    (folder / "console.log").write_bytes(b"x" * 500)
    (folder / "facts.json").write_bytes(b"{}")
    (folder / "secret").symlink_to("/etc/shadow")
    target = tmp_path / "logs.tgz"
    with agent.client() as client:
        assert client.logs(RUN, 100, target, soon()) == ["m/console.log"]
    import tarfile

    with tarfile.open(target) as archive:
        assert archive.getnames() == ["m/facts.json"]


Reply = Callable[[dict[str, Any]], list[bytes]]


@contextlib.contextmanager
def _hostile(reply: Reply) -> Iterator[AgentClient]:
    """A client of an agent that answers each request with these bytes, and hangs up after none."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs, theirs.makefile("rb") as file, contextlib.suppress(OSError):
            for raw in file:
                answer = reply(json.loads(raw))
                if not answer:
                    return
                for part in answer:
                    theirs.sendall(part)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with AgentClient(SocketStream(ours), "lab1") as client:
        yield client
    thread.join()


def _json(asked: dict[str, Any], **answer: Any) -> bytes:
    return json.dumps({"id": asked["id"], **answer}).encode() + b"\n"


def _line(**changes: Any) -> str:
    values = {"host": "lab1", "unit": unit().key, "epoch": 1, "number": 0, "kind": "word", "body": "hello"}
    return json.dumps({**values, "signature": "", **changes})


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        "{}",
        _line(unit="0" * 32),
        _line(epoch=2),
        _line(number="0"),
        _line(number=True),
        _line(body=None),
        _line(more=1),
        "[" * 5000,
        None,
        {"line": 1},
    ],
)
def test_a_line_that_is_none_is_not_taken(line: object) -> None:
    with (
        _hostile(lambda asked: [_json(asked, item=line)]) as client,
        pytest.raises(TransportError, match="violates the protocol"),
    ):
        next(client.run(unit(), soon()))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (lambda _: [b"no JSON\n"], "no JSON object"),
        (lambda _: [b" " * LONGEST, b" " * 70000], "longer than"),
        (lambda _: [], "is gone"),
        (lambda asked: [_json(asked, done=[])], "no object"),
        (lambda asked: [_json(asked, done={"lost": [1]})], "no list of texts"),
    ],
)
def test_an_agent_that_violates_the_protocol_is_left(reply: Reply, words: str) -> None:
    with _hostile(reply) as client, pytest.raises(TransportError, match=words):
        client.beat([RUN], 1.0, soon())


def test_answers_that_nobody_takes_are_bounded() -> None:
    with _hostile(lambda asked: [_json(asked, item={"part": "A" * 2 * PART})] * 60) as client:
        asked = client.ask("logs", soon())
        next(asked)
        poll(lambda: client.broken, soon(), "the connection to end")
        with pytest.raises(TransportError, match="answers wait"):
            list(asked)


def test_what_an_agent_says_is_printable_and_bounded() -> None:
    def reply(asked: dict[str, Any]) -> list[bytes]:
        return [_json(asked, error="\x1b[2Jgone" + "x" * 100_000, hint=7, code="?", kind=[])]

    with _hostile(reply) as client, pytest.raises(LabError, match=r"\\x1b\[2Jgone") as caught:
        client.beat([RUN], 1.0, soon())
    assert len(caught.value.message) < 5000


def test_a_code_says_what_kind_of_refusal_it_is() -> None:
    with (
        _hostile(lambda asked: [_json(asked, error="no", code=2)]) as client,
        pytest.raises(SpecError, match="no"),
    ):
        client.stop(soon())


def test_a_closed_connection_ends_who_waits() -> None:
    waiting = threading.Event()

    def reply(_asked: dict[str, Any]) -> list[bytes]:
        waiting.set()
        return [b""]

    failures: list[BaseException] = []
    with _hostile(reply) as client:

        def wait() -> None:
            try:
                client.beat([RUN], 1.0, soon())
            except TransportError as problem:
                failures.append(problem)

        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(60)
        client.close()
        thread.join()
    assert "was closed" in str(failures[0])


@pytest.mark.parametrize("changes", [{"cpus": "2"}, {"name": "\x1b[2J"}, {"kvm": 1}, {"templates": [1]}])
def test_facts_that_are_none_are_not_taken(changes: dict[str, Any]) -> None:
    from dataclasses import asdict

    with (
        _hostile(lambda asked: [_json(asked, done={**asdict(FACTS), **changes})]) as client,
        pytest.raises(TransportError, match="facts cannot be read"),
    ):
        client.facts(soon())


def test_a_line_is_another_when_anything_of_it_is() -> None:
    line = SignedLine("lab1", "0" * 32, 1, 0, "word", "x")
    changed = [
        replace(line, host="lab2"),
        replace(line, unit="1" * 32),
        replace(line, epoch=2),
        replace(line, number=1),
        replace(line, kind="end"),
        replace(line, body="y"),
    ]
    assert len({one.signed() for one in [line, *changed]}) == 7
