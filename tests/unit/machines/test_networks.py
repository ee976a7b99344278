"""Networks of a run: laid once, held by whoever is on them, removed by the last, journalled all along."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from factories import RUN, SITE, order
from factories import lab as lab_of

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, NetworkOrder
from orchestrator.errors import BootError, Unavailable
from orchestrator.labfile.load import with_driver
from orchestrator.labfile.plan import Job, jobs
from orchestrator.machines.journal import Ledger
from orchestrator.machines.networks import Wiring


@dataclass
class Fake:
    """A driver whose networks are notes; it can be told to fail."""

    ledger: Ledger
    failures: int = 0
    done: list[str] = field(default_factory=list)

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        plugs = {name: f"plug-{name}" for name in wanted.machines}
        name, scratch = wanted.scratch.name, str(wanted.scratch)
        return Handle("qemu", wanted.run, name, "", "", "", scratch, SITE, {"plugs": plugs})

    def lay(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        assert [intent.handle for intent in self.ledger.intents()] == [handle]  # journalled before it is
        self.done.append("lay")
        if self.failures:
            self.failures -= 1
            raise BootError("no switch today")

    def down(self, handle: Handle) -> None:
        self.done.append("down")


LAB = lab_of(
    {
        "a": {"driver": "qemu", "networks": ["lan"]},
        "b": {"driver": "qemu", "networks": {"lan": "10.77.0.9"}},
        "c": {"driver": "qemu"},
    },
    networks={"lan": {}},
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db")


@pytest.fixture
def fake(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake(ledger)
    monkeypatch.setattr("orchestrator.drivers.load", lambda _name: found)
    return found


@pytest.fixture
def wiring(fake: Fake, ledger: Ledger, tmp_path: Path) -> Wiring:
    return Wiring(LAB.lab, ledger, tmp_path / "s", tmp_path / "out")


def job(machine: str) -> Job:
    return next(found for found in jobs(LAB, RUN) if found.machine == machine)


def test_the_first_lays_and_the_last_removes(wiring: Wiring, fake: Fake, ledger: Ledger) -> None:
    with ExitStack() as first, ExitStack() as second:
        a = first.enter_context(wiring.joined(order(), job("a"), Deadline.after(20)))
        b = second.enter_context(wiring.joined(order(), job("b"), Deadline.after(20)))
        first.close()
        assert fake.done == ["lay"]
        second.close()
    assert fake.done == ["lay", "down"]
    assert ledger.intents() == []
    assert [(p.address, p.plug) for p in a.attachments + b.attachments] == [
        ("10.77.0.1", "plug-a"),
        ("10.77.0.9", "plug-b"),
    ]
    assert b.hosts == (("b", "10.77.0.9"), ("a", "10.77.0.1"))


def test_a_machine_without_networks_is_left_as_it_was(wiring: Wiring, fake: Fake) -> None:
    with wiring.joined(order(), job("c"), Deadline.after(20)) as plain:
        assert plain == order()
    assert fake.done == []


def test_a_network_that_cannot_be_laid_is_undone_and_tried_again(
    wiring: Wiring, fake: Fake, ledger: Ledger
) -> None:
    fake.failures = 1
    with pytest.raises(BootError, match="no switch"), wiring.joined(order(), job("a"), Deadline.after(20)):
        pass
    assert fake.done == ["lay", "down"]
    assert ledger.intents() == []
    with wiring.joined(order(), job("b"), Deadline.after(20)):
        assert fake.done == ["lay", "down", "lay"]


def test_a_machine_that_fails_lets_go_of_its_network(wiring: Wiring, fake: Fake, ledger: Ledger) -> None:
    with pytest.raises(BootError), wiring.joined(order(), job("a"), Deadline.after(20)):
        raise BootError("it did not boot")
    assert fake.done == ["lay", "down"]
    assert ledger.intents() == []


def test_a_way_out_is_not_promised_by_a_driver_that_has_none(ledger: Ledger, tmp_path: Path) -> None:
    """A lab file says so; ``--driver`` comes after it."""
    machines = {"a": {"driver": "qemu", "networks": ["lan"]}}
    changed = with_driver(lab_of(machines, networks={"lan": {"internet": True}}), "virtualbox")
    wiring = Wiring(changed.lab, ledger, tmp_path / "s", tmp_path / "out")
    (only,) = jobs(changed, RUN)
    with pytest.raises(Unavailable, match="driver virtualbox cannot give"):
        wiring.joined(order(), only, Deadline.after(20)).__enter__()
    assert ledger.intents() == []


def test_machines_of_different_daemons_are_not_joined(ledger: Ledger, tmp_path: Path) -> None:
    machines = {name: {"driver": "libvirt", "networks": ["lan"], "uri": f"qemu+ssh://{name}/system"}
                for name in "ab"}  # fmt: skip
    found = lab_of(machines, networks={"lan": {}})
    wiring = Wiring(found.lab, ledger, tmp_path / "s", tmp_path / "out")
    with pytest.raises(Unavailable, match="different libvirt daemons"):
        wiring.joined(order(), jobs(found, RUN)[0], Deadline.after(20)).__enter__()
