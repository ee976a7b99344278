"""Units of an agent: begun once in each epoch, joined, refused when late, and ended with their lease."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import BUNDLE, DIGEST, RUN, Agent, Script, agent_in, kinds, soon, unit

from orchestrator.cluster.agent import ledger as ledger_module
from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.refusal import Refused, StaleEpoch
from orchestrator.cluster.agent.signing import is_signed
from orchestrator.cluster.model import SignedLine
from orchestrator.deadline import poll
from orchestrator.errors import SpecError, TransportError


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return agent_in(_made(tmp_path))


@pytest.fixture
def client(agent: Agent) -> Iterator[AgentClient]:
    with agent.client() as client:
        yield client


def _give(agent: Agent, *steps: str) -> None:
    for step in steps:
        agent.script.steps.put(step)


def _begin(agent: Agent, client: AgentClient, **about: object) -> Iterator[SignedLine]:
    """Give a unit that has one record; it goes on until it is told to end."""
    _give(agent, "first")
    lines = client.run(unit(**about), soon())  # type: ignore[arg-type]
    assert next(lines).number == 0
    return lines


def test_lines_come_as_they_fall_signed_in_the_name_of_the_host(agent: Agent, client: AgentClient) -> None:
    lines = client.run(unit(), soon())
    found = []
    for words in ("one", "two"):
        _give(agent, words)
        found.append(next(lines))
    agent.script.steps.put(lambda running: running.say("a word"))
    found.append(next(lines))
    _give(agent, "")
    found += lines
    expected = [(0, "record", "one"), (1, "record", "two"), (2, "word", "a word"), (3, "end", "")]
    assert kinds(found) == expected
    public = agent.units.key.public
    assert all(is_signed(line, public) and line.host == "lab1" for line in found)
    assert agent.units.ledger.lines(unit().key, 1) == found


def test_who_comes_again_joins_and_gets_all_lines(agent: Agent, client: AgentClient) -> None:
    lines = _begin(agent, client)
    with agent.client() as other:
        joined = other.run(unit(), soon())
        assert next(joined).number == 0
        _give(agent, "second", "")
        assert kinds(list(joined)) == [(1, "record", "second"), (2, "end", "")]
    assert len(list(lines)) == 2
    assert agent.script.begun == [1]


def test_a_unit_that_has_ended_is_not_begun_again_in_its_epoch(agent: Agent, client: AgentClient) -> None:
    _give(agent, "only", "")
    first = list(client.run(unit(), soon()))
    assert list(client.run(unit(), soon())) == first
    assert agent.script.begun == [1]


def test_a_later_epoch_begins_when_the_earlier_is_torn_down(tmp_path: Path) -> None:
    script = Script()
    agent = agent_in(_made(tmp_path), script)
    with agent.client() as client:
        lines = _begin(agent, client)
        again = client.run(unit(epoch=2), soon())
        thread = threading.Thread(target=lambda: next(again))
        thread.start()
        poll(lambda: script.ended, soon(), "the first epoch to end")
        assert script.begun == [1]
        _give(agent, "of the second")
        script.teardown.set()
        thread.join()
        assert script.begun == [1, 2]
        assert script.torn_down[0] == 1
        assert kinds(list(lines)) == [(1, "end", "given again with epoch 2")]
        _give(agent, "")
        assert kinds(list(again))[-1] == (1, "end", "")


def test_an_earlier_epoch_is_refused(agent: Agent, client: AgentClient) -> None:
    _give(agent, "")
    list(client.run(unit(epoch=3), soon()))
    with pytest.raises(StaleEpoch, match="given with epoch 2, and here with epoch 3"):
        next(client.run(unit(epoch=2), soon()))
    assert agent.script.begun == [3]


def test_a_cancelled_run_is_torn_down_and_takes_nothing_more(tmp_path: Path) -> None:
    script = Script()
    agent = agent_in(_made(tmp_path), script)
    with agent.client() as client:
        lines = _begin(agent, client)
        done: list[str] = []
        thread = threading.Thread(target=lambda: done.extend(client.cancel(RUN, soon())))
        thread.start()
        poll(lambda: agent.units.running()[0].stopped, soon(), "the unit to be told")
        assert not done
        script.teardown.set()
        thread.join()
        assert done == [unit().key]
        assert script.torn_down == [1]
        assert kinds(list(lines)) == [(1, "end", "cancelled")]
        with pytest.raises(Refused, match="was cancelled"):
            next(client.run(unit("n"), soon()))


def test_one_unit_is_cancelled_and_refused_if_it_still_comes(agent: Agent, client: AgentClient) -> None:
    lines = _begin(agent, client)
    late = unit("late")
    assert client.cancel(RUN, soon(), (late.key, 1)) == []
    assert kinds(list(client.run(late, soon()))) == [(0, "end", "cancelled before it came")]
    assert client.cancel(RUN, soon(), (unit().key, 1)) == [unit().key]
    assert kinds(list(lines)) == [(1, "end", "cancelled")]
    assert agent.script.begun == [1]


def test_a_draining_host_takes_nothing_new(agent: Agent, client: AgentClient) -> None:
    lines = _begin(agent, client)
    assert client.drain(soon()) == (1, [])
    with pytest.raises(Refused, match="lab1 is being drained"):
        next(client.run(unit("n"), soon()))
    with agent.client() as other:  # what runs may still be joined
        assert next(other.run(unit(), soon())).number == 0
    client.drain(soon(), on=False)
    _give(agent, "", "")
    assert [line.kind for line in client.run(unit("n"), soon())] == ["end"]
    list(lines)


class Clock:
    """The host's clock, as a test sets it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(ledger_module, "_clock", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_lease_that_is_over_ends_its_units(clock: Clock, agent: Agent, client: AgentClient) -> None:
    lines = _begin(agent, client, lease_seconds=30.0)
    clock.now += 29
    assert client.beat([RUN, "of another host"], 40.0, soon()) == []
    clock.now += 39
    agent.units.end_leases()
    assert agent.script.torn_down == []
    clock.now += 2
    agent.units.end_leases()
    ((_, kind, words),) = kinds(list(lines))
    assert (kind, words) == ("end", "its lease ended: the controller was not heard of in time")
    assert agent.script.torn_down == [1]
    assert client.beat([RUN], 40.0, soon()) == [RUN]  # too late
    assert client.leases(soon()) == []


def test_leases_are_bounded(clock: Clock, agent: Agent, client: AgentClient) -> None:
    lines = _begin(agent, client, lease_seconds=1e9)
    clock.now += 24 * 3600 + 1
    agent.units.end_leases()
    assert kinds(list(lines))[-1][1] == "end"
    _give(agent, "")
    assert list(client.run(unit("n", lease_seconds=-5.0), soon()))
    (lease,) = agent.units.ledger.leases()
    assert lease.left == 5.0


def test_a_lease_without_units_is_forgotten(clock: Clock, agent: Agent, client: AgentClient) -> None:
    _give(agent, "")
    list(client.run(unit(), soon()))
    clock.now += 61
    agent.units.end_leases()
    assert client.beat([RUN], 40.0, soon()) == []
    assert agent.units.ledger.leases() == []


def test_a_lease_does_not_outlive_the_boot(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.units.ledger.hold(RUN, 60)
    monkeypatch.setattr(ledger_module, "boot_id", lambda: "another boot")
    assert [lease.left for lease in agent.units.ledger.leases()] == [0.0]
    agent.units.ledger.hold(RUN, 30)
    assert 0 < agent.units.ledger.leases()[0].left <= 30


def test_the_successor_of_a_killed_agent_ends_its_units(agent: Agent, client: AgentClient) -> None:
    _begin(agent, client)
    after = agent_in(agent.place.folder)
    after.units.adopt("node")
    with after.client() as other:
        lines, ended = other.lines(unit().key, 1, soon())
        assert ended
        words = "the agent of lab1 was killed while this ran"
        assert kinds(lines) == [(0, "record", "first"), (1, "end", words)]
        assert all(is_signed(line, agent.units.key.public) for line in lines)
        assert list(other.run(unit(), soon())) == lines  # not a second time
        assert other.beat([RUN], 60, soon()) == [RUN]
        _give(after, "")
        assert [one.kind for one in other.run(unit(epoch=2), soon())] == ["end"]
        assert other.beat([RUN], 60, soon()) == []
    assert after.script.begun == [2]
    _give(agent, "")


def test_a_crash_of_isolab_is_the_end_of_the_unit(agent: Agent, client: AgentClient) -> None:
    def crash(_running: object) -> None:
        raise ZeroDivisionError("of course")

    agent.script.steps.put(crash)
    ((_, kind, words),) = kinds(list(client.run(unit(), soon())))
    assert (kind, words) == ("end", "isolab failed on lab1: ZeroDivisionError: of course")
    assert any("Traceback" in line for line in agent.said)
    assert agent.units.running() == []


def test_a_full_disk_ends_a_unit_without_a_line_that_is_not_on_it(
    agent: Agent, client: AgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = _begin(agent, client)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(agent.units.ledger, "add", fail)
    _give(agent, "lost")
    assert list(lines) == []
    poll(lambda: not agent.units.running(), soon(), "the unit to be gone")
    assert len(agent.units.ledger.lines(unit().key, 1)) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": "../../etc"}, "no unit"),
        ({"jobs": ()}, "no unit"),
        ({"epoch": 0}, "no unit"),
        ({"bundle": "../bundles"}, "no digest"),
    ],
)
def test_what_is_no_unit_is_refused(
    agent: Agent, client: AgentClient, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        next(client.run(unit(**changes), soon()))  # type: ignore[arg-type]
    assert agent.script.begun == []


def test_a_lab_must_be_there_first(agent: Agent, client: AgentClient) -> None:
    other = "0" * 64
    with pytest.raises(Refused, match="does not have the lab"):
        next(client.run(unit(bundle=other), soon()))
    assert client.missing([DIGEST, other], soon()) == [other]
    assert agent.units.ledger.newest(unit(bundle=other).key) is None


def test_labs_are_named_that_any_run_may_use_the_last_used_first(agent: Agent, tmp_path: Path) -> None:
    labs, archive = agent.units.labs, tmp_path / "archive"
    archive.write_bytes(BUNDLE)
    assert labs.there() == (DIGEST,)
    later, secret = "1" * 64, "2" * 64
    labs.add(archive, later)
    os.utime(labs.folder / DIGEST, (1, 1))
    labs.add(archive, secret, "20260101-000000-abcdef")
    (labs.folder / ".unpacking-x").mkdir()
    assert labs.there() == (later, DIGEST)
    shutil.rmtree(labs.folder)
    assert labs.there() == ()


def test_a_bundle_arrives_whole_or_not_at_all(agent: Agent, client: AgentClient, tmp_path: Path) -> None:
    agent.units.labs.forget(lambda _: False)
    archive = tmp_path / "archive"
    archive.write_bytes(b"another lab")
    with pytest.raises(TransportError, match="arrived damaged"):
        client.put(DIGEST, archive, soon())
    assert client.missing([DIGEST], soon()) == [DIGEST]
    archive.write_bytes(BUNDLE)
    client.put(DIGEST, archive, soon())
    assert client.missing([DIGEST], soon()) == []
    assert list(agent.place.incoming.iterdir()) == []


def _made(folder: Path) -> Path:
    place = folder / "agent"
    place.mkdir()
    return place
