"""The agent of a host with real machines: over the relay as SSH starts it, and killed at every moment."""

from __future__ import annotations

import contextlib
import os
import signal
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from command import ISOLAB, environment, isolab
from consoles import keep_consoles
from habitat import Home, fresh_home, hard_linked, wait_until
from place import has_qemu
from places import LABS
from trees import below

from orchestrator.cluster.agent.background import agent_process
from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.paths import AgentPlace
from orchestrator.cluster.agent.signing import is_signed
from orchestrator.cluster.agent.streams import over_command, over_socket
from orchestrator.cluster.bundle import pack
from orchestrator.cluster.model import SignedLine, Unit
from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.labfile.load import load_lab
from orchestrator.labfile.plan import jobs
from orchestrator.paths import EXERCISES
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id

pytestmark = pytest.mark.real
SECONDS = 240.0
LEASE = 5.0
"""Seconds that what a controller began outlives it."""


@dataclass(frozen=True)
class Host:
    """A host with isolab's state in a home; everything is asked the way a controller does."""

    home: Home

    @property
    def place(self) -> AgentPlace:
        return AgentPlace(self.home.root / "state" / "agent")

    @contextlib.contextmanager
    def relay(self, **more: str) -> Iterator[AgentClient]:
        """Through the command that SSH starts, which starts the agent if there is none."""
        own = environment(self.home, **more)
        settings = [f"{name}={value}" for name, value in own.items() if os.environ.get(name) != value]
        with AgentClient(over_command(["env", *settings, *ISOLAB, "agent"]), "lab1") as client:
            yield client

    def kill(self, *, keeper: bool = False) -> int:
        """Kill the agent; with its keeper, nobody starts it again."""
        pid = agent_process(self.place)
        assert pid is not None
        if keeper:
            self.place.wanted.unlink()
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self) -> None:
        """End the agent in good order."""
        if self.place.socket.exists():
            with self.relay() as client:
                client.stop(_soon())
            wait_until(lambda: agent_process(self.place) is None, "the agent to end")


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        found = Host(home)
        yield found
        found.stop()


def _soon() -> Deadline:
    return Deadline.after(SECONDS)


def _units(client: AgentClient, host: Host, lab: str, *machines: str) -> list[Unit]:
    """Send a lab, and return a unit for each of these machines."""
    found = load_lab(LABS / lab, EXERCISES)
    bundle = pack(found, host.home.root / "packed")
    if client.missing([bundle.digest], _soon()):
        client.put(bundle.digest, bundle.archive, _soon())
    run = new_run_id()
    return [Unit(run, bundle.digest, (job,)) for job in jobs(found, run, machines=machines)]


def _records(lines: list[SignedLine]) -> list[Record]:
    return [Record.from_json(line.body) for line in lines if line.kind == "record"]


def test_units_run_over_the_relay_as_they_do_here(host: Host, tmp_path: Path) -> None:
    machines = ("bare", "caged", "guest")
    with host.relay() as client:
        public = client.facts(_soon()).public_key
        units = _units(client, host, "stay", *machines)
        lines = [line for unit in units for line in client.run(unit, _soon())]
        records = _records(lines)
        assert [(one.machine, one.host, one.status) for one in records] == [
            (name, "lab1", Status.PASS) for name in machines
        ]
        assert [line.body for line in lines if line.kind == "end"] == ["", "", ""]
        assert all(is_signed(line, public) for line in lines)
        assert client.logs(units[0].run, 10**7, tmp_path / "logs.tgz", _soon()) == []
    with tarfile.open(tmp_path / "logs.tgz") as archive:
        assert {"bare/facts.json", "guest/console.log"} <= {*archive.getnames()}
    assert not has_qemu(host.home)


def _journalled(host: Host) -> bool:
    own = host.home.own
    return any(path.parent.parent == own for path in below(own))


@dataclass(frozen=True)
class Moment:
    """A moment in the life of a unit: how to tell that it has come, and what is left in its epoch."""

    name: str
    has_come: Callable[[Host], bool]

    def __str__(self) -> str:
        return self.name


def _first_record(host: Host) -> bool:
    database = host.place.ledger
    return b'"kind":"record"' in database.read_bytes()


MOMENTS = [
    Moment("given", lambda host: any(host.place.logs.iterdir())),
    Moment("rising", lambda host: has_qemu(host.home)),
    Moment("running", _first_record),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_killed_agent_is_back_and_its_guests_are_gone(host: Host, moment: Moment) -> None:
    with host.relay() as client:
        (unit,) = _units(client, host, "box", "guest")
        lines = client.run(unit, _soon())
        _begin(lines, host, moment)
        killed = host.kill()
    wait_until(lambda: agent_process(host.place) not in (None, killed), "the agent to be back")
    with host.relay() as client:
        found, ended = client.lines(unit.key, 1, _soon())
        assert ended
        assert found[-1].body == "the agent of lab1 was killed while this ran"
        assert not has_qemu(host.home)
        assert not _journalled(host)
        assert list(client.run(unit, _soon())) == found  # once in each epoch
        assert client.beat([unit.run], 60.0, _soon()) == [unit.run]


def _begin(lines: Iterator[SignedLine], host: Host, moment: Moment) -> None:
    """Take lines in the background until a moment has come."""

    def take() -> None:
        with contextlib.suppress(TransportError):
            list(lines)

    threading.Thread(target=take, daemon=True).start()
    wait_until(lambda: moment.has_come(host), f"the unit to be {moment}")


def test_guests_of_a_controller_that_is_gone_end_at_their_lease(host: Host) -> None:
    with host.relay() as client:
        first, second = (
            replace(unit, lease_seconds=LEASE) for unit in _units(client, host, "box", "bare", "guest")
        )
        with (
            AgentClient(over_socket(host.place.socket)) as other,
            AgentClient(over_socket(host.place.socket)) as holder,
        ):

            def rising(host: Host) -> bool:
                """Held until the guest is there: on a busy host that may take longer than the lease."""
                holder.beat([second.run], LEASE, _soon())
                return has_qemu(host.home)

            _begin(client.run(first, _soon()), host, Moment("given", lambda _: True))
            _begin(other.run(second, _soon()), host, Moment("rising", rising))
    wait_until(lambda: not has_qemu(host.home), "the guest to be gone")
    wait_until(lambda: not _journalled(host), "everything to be gone")
    with AgentClient(over_socket(host.place.socket)) as worker:
        for unit in (first, second):
            wait_until(lambda unit=unit: worker.lines(unit.key, 1, _soon())[1], "the unit's end")
            found, _ = worker.lines(unit.key, 1, _soon())
            assert "lease ended" in found[-1].body


def test_machines_that_stay_outlive_the_agent(host: Host) -> None:
    up = isolab(host.home, "up", LABS / "stay", "--only", "bare", "--name", "mine")
    assert up.code == 0, up.stderr
    with host.relay() as client:
        (kept,) = client.leases(_soon())
        assert (kept["guests"], kept["kept"]) == (["bare"], True)
        assert client.drain(_soon()) == (0, ["mine/bare"])
        client.drain(_soon(), on=False)
        host.kill(keeper=True)
    wait_until(lambda: agent_process(host.place) is None, "the agent to be gone")
    with host.relay() as client:  # starts another one
        assert client.leases(_soon()) == [kept]
        assert client.facts(_soon()).guests == 1
    assert isolab(host.home, "ssh", "mine/bare", "--", "true").code == 0
    assert isolab(host.home, "down", "mine").code == 0


@pytest.mark.whole("twelve agents are killed, one after the other")
def test_no_moment_to_kill_an_agent_leaves_anything(host: Host) -> None:
    """A unit of a second and a half, killed at moments all over it; its last epoch gets through."""
    for number in range(12):
        with host.relay() as client:
            (unit,) = _units(client, host, "stay", "guest")
            lines = client.run(unit, _soon())
            next(lines)
            Deadline.after(0.15 * number).cancellation.wait(0.15 * number)
            killed = host.kill()
        wait_until(lambda killed=killed: agent_process(host.place) not in (None, killed), "the agent")
        with host.relay() as client:
            found, ended = client.lines(unit.key, 1, _soon())
            assert ended
            assert [line.number for line in found] == list(range(len(found)))
            assert len(_records(found)) <= 1
            assert not has_qemu(host.home)
            again = list(client.run(replace(unit, epoch=2), _soon()))
            assert [one.status for one in _records(again)] == [Status.PASS]
            assert again[-1].body == ""
    assert not _journalled(host)


@pytest.mark.whole("a template is made, and tested on two hosts")
def test_a_template_of_another_host_is_tested_and_used(host: Host, tmp_path: Path) -> None:
    """Both hosts have the image; the second has its cache elsewhere, and boots no guest."""
    words: list[str] = []
    there = Host(Home(host.home.root / "there"))
    cache = hard_linked(("images", "emulators"), host.home.root / "cache")
    there.home.root.mkdir()
    try:
        with host.relay() as first, there.relay(ISOLAB_CACHE=str(cache)) as second:
            units = _units(second, there, "stay", "guest")
            (unit,) = _units(first, host, "stay", "guest")
            made = first.warm(words.append, _soon(), bundle=unit.bundle, machines=["guest"])
            named = second.warm(
                words.append, _soon(), bundle=unit.bundle, machines=["guest"], templates=False
            )
            ((key, seconds),) = made.items()
            assert seconds > 0
            assert named == {key: 0.0}
            first.give(key, tmp_path / "template", _soon())
            second.take(key, tmp_path / "template", _soon())
            words.clear()
            assert list(second.warm(words.append, _soon(), bundle=unit.bundle, machines=["guest"])) == [key]
            assert any("testing the new template" in line for line in words)
            assert not any("booting" in line for line in words)
            records = _records(list(second.run(units[0], _soon())))
            assert [(one.status, one.start) for one in records] == [(Status.PASS, "clone")]
    finally:
        there.stop()
        assert not [line for line in there.home.settled() if "process" in line]
