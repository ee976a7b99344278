"""The ways to machines on hosts: which forwards are asked of the connection, and which ports stay. No host is
reached."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from class_on_hosts import class_on_hosts, machine

from orchestrator.classes.hosts import keeper
from orchestrator.classes.hosts.answer import HostAnswer
from orchestrator.classes.hosts.keeper import Keeper
from orchestrator.classes.hosts.look import Looked
from orchestrator.classes.hosts.snapshots import keep
from orchestrator.classes.hosts.ways import close, keep_open, known_ways, port_of
from orchestrator.classes.model import LoadedClass
from orchestrator.cluster.model import ClusterHost, Destination
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Unavailable
from orchestrator.host.process import Finished

ALDER = ClusterHost("alder", Destination("alder"))
TWO = HostAnswer(machines=(machine("s00"), machine("s01", port=40001)))


class Connection:
    """A connection whose master is a made-up process, and the forwards it has: port here to port there."""

    host = ALDER

    def __init__(self) -> None:
        self.master = 7
        self.forwards: dict[int, int] = {}
        self.refuses = 0
        self.asked: list[str] = []

    def ask(self, what: str, *words: str, deadline: Deadline | None = None) -> Finished:
        self.asked.append(what)
        lines = [tuple(map(int, line.split(":")[1::2])) for line in words if line != "-L"]
        if what == "check":
            return Finished((), 0, f"Master running (pid={self.master})\r\n".encode(), b"")
        for here, there in lines:
            if what == "cancel":
                self.forwards.pop(here, None)
            elif self.refuses:
                self.refuses -= 1
                return Finished((), 255, b"", b"mux_client_forward: forwarding request failed")
            else:
                self.forwards[here] = there
        return Finished((), 0, b"", b"")

    def is_open(self) -> bool:
        return True


class Hosts:
    def __init__(self) -> None:
        self.one = Connection()

    def connection(self, _host: ClusterHost) -> Connection:
        return self.one

    def existing(self, _host: ClusterHost) -> Connection | None:
        return self.one

    def deadline(self, seconds: float = 60.0) -> Deadline:
        return Deadline.after(seconds)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    return class_on_hosts(tmp_path / "class", 2)


def ports(found: LoadedClass) -> list[int]:
    return [port_of(known_ways(found), "alder", seat, "desk") for seat in ("s00", "s01")]


def test_each_machine_has_a_port_that_stays(found: LoadedClass) -> None:
    hosts: Any = Hosts()
    assert keep_open(found, hosts, ALDER, TWO)
    first = ports(found)
    assert hosts.one.forwards == dict(zip(first, (40000, 40001), strict=True))
    assert hosts.one.asked.count("forward") == 1  # all in one step
    assert not keep_open(found, hosts, ALDER, TWO)
    assert hosts.one.asked.count("forward") == 1
    hosts.one.master, hosts.one.forwards = 8, {}  # the connection broke, and is another one now
    assert not keep_open(found, hosts, ALDER, TWO)
    assert (ports(found), {*hosts.one.forwards}) == (first, {*first})


def test_a_machine_that_was_replaced_keeps_its_port_and_one_that_is_gone_loses_it(found: LoadedClass) -> None:
    hosts: Any = Hosts()
    keep_open(found, hosts, ALDER, TWO)
    first = ports(found)
    assert not keep_open(
        found, hosts, ALDER, replace(TWO, machines=(machine("s00", port=41000), *TWO.machines[1:]))
    )
    assert hosts.one.forwards == {first[0]: 41000, first[1]: 40001}
    assert keep_open(found, hosts, ALDER, replace(TWO, machines=TWO.machines[1:]))
    assert hosts.one.forwards == {first[1]: 40001}
    close(found, hosts, ALDER)
    assert (hosts.one.forwards, ports(found)) == ({}, [0, 0])


def test_a_port_that_somebody_took_is_replaced_and_a_refusal_is_told(found: LoadedClass) -> None:
    hosts: Any = Hosts()
    hosts.one.refuses = 1
    keep_open(found, hosts, ALDER, TWO)
    assert sorted(hosts.one.forwards) == sorted(ports(found))
    close(found, hosts, ALDER)
    hosts.one.refuses = 99
    with pytest.raises(Unavailable, match="alder: its SSH server does not carry ports") as caught:
        keep_open(found, hosts, ALDER, TWO)
    assert "AllowTcpForwarding" in caught.value.hint


def test_what_fails_is_said_once_and_that_it_is_over_too(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(found, "alder", TWO)
    off, lines, moved = [True], list[str](), list[bool]()
    rounds = iter(range(4))

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            number = next(rounds, None)
            if number == 2:
                off.clear()
            return number is None

    monkeypatch.setattr(keeper, "keep_open", lambda *_: True)

    def looked(*_: object) -> Looked:
        return Looked({}, {"alder": "alder: it is off"}) if off else Looked({"alder": TWO})

    monkeypatch.setattr(keeper, "look", looked)
    monkeypatch.setattr("orchestrator.cluster.hosts_up.HostsUp.existing", lambda *_: None)
    Keeper(found, lines.append, lambda: moved.append(True)).run(Stop(), Cancellation())
    assert lines == ["alder: it is off", "alder: reached again"]
    assert len(moved) == 2
