"""Networks of a run: laid once, held by whoever is on them, removed by the last, journalled all along."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from factories import RUN, SITE, order
from factories import lab as lab_of

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.model import Handle, NetworkOrder
from orchestrator.errors import BootError, Unavailable
from orchestrator.labfile.load import LoadedLab, with_driver
from orchestrator.labfile.plan import Job, jobs
from orchestrator.machines.context import MachineContext
from orchestrator.machines.journal import Journal
from orchestrator.machines.networks import Networks
from orchestrator.progress import SilentProgress


@dataclass
class Fake:
    """A driver whose networks are notes; it can be told to fail."""

    journal: Journal
    failures: int = 0
    done: list[str] = field(default_factory=list)

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        endpoints = {name: f"plug-{name}" for name in wanted.machines}
        name, scratch = wanted.scratch.name, str(wanted.scratch)
        return Handle("qemu", wanted.run, name, "", "", "", scratch, SITE, {"plugs": endpoints})

    def create_network(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        assert [entry.handle for entry in self.journal.entries()] == [handle]  # journalled before it is
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
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "machines.db")


@pytest.fixture
def fake(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake(journal)
    monkeypatch.setattr("orchestrator.drivers.load", lambda _name: found)
    return found


def networks_of(lab: LoadedLab, journal: Journal, folder: Path) -> Networks:
    context = MachineContext(journal, SilentProgress(), Cancellation())
    return Networks(lab.lab, context, folder / "s", folder / "out")


@pytest.fixture
def networks(fake: Fake, journal: Journal, tmp_path: Path) -> Networks:
    return networks_of(LAB, journal, tmp_path)


def job(machine: str) -> Job:
    return next(found for found in jobs(LAB, RUN) if found.machine == machine)


def test_the_first_lays_and_the_last_removes(networks: Networks, fake: Fake, journal: Journal) -> None:
    with ExitStack() as first, ExitStack() as second:
        a = networks.join(order(), job("a"), first)
        b = networks.join(order(), job("b"), second)
        first.close()
        assert fake.done == ["lay"]
        second.close()
    assert fake.done == ["lay", "down"]
    assert journal.entries() == []
    assert [(p.address, p.endpoint) for p in a.attachments + b.attachments] == [
        ("10.77.0.1", "plug-a"),
        ("10.77.0.9", "plug-b"),
    ]
    assert b.hosts == (("b", "10.77.0.9"), ("a", "10.77.0.1"))


def test_a_machine_without_networks_is_left_as_it_was(networks: Networks, fake: Fake) -> None:
    with ExitStack() as undo:
        assert networks.join(order(), job("c"), undo) == order()
    assert fake.done == []


def test_a_network_that_cannot_be_laid_is_undone_and_tried_again(
    networks: Networks, fake: Fake, journal: Journal
) -> None:
    fake.failures = 1
    with pytest.raises(BootError, match="no switch"), ExitStack() as undo:
        networks.join(order(), job("a"), undo)
    assert fake.done == ["lay", "down"]
    assert journal.entries() == []
    with ExitStack() as undo:
        networks.join(order(), job("b"), undo)
        assert fake.done == ["lay", "down", "lay"]


def test_a_machine_that_fails_lets_go_of_its_network(
    networks: Networks, fake: Fake, journal: Journal
) -> None:
    undo = ExitStack()
    networks.join(order(), job("a"), undo)
    with pytest.raises(BootError), undo:
        raise BootError("it did not boot")
    assert fake.done == ["lay", "down"]
    assert journal.entries() == []


def test_a_network_that_is_kept_stands_after_its_maker(
    networks: Networks, fake: Fake, journal: Journal
) -> None:
    with ExitStack() as undo:
        networks.join(order(), job("a"), undo)
        journal.keep(networks.standing())
        undo.pop_all()
    assert fake.done == ["lay"]
    assert [entry.kept for entry in journal.entries()] == [True]


def test_a_way_out_is_not_promised_by_a_driver_that_has_none(journal: Journal, tmp_path: Path) -> None:
    """A lab file says so; ``--driver`` comes after it."""
    machines = {"a": {"driver": "qemu", "networks": ["lan"]}}
    changed = with_driver(lab_of(machines, networks={"lan": {"internet": True}}), "virtualbox")
    (only,) = jobs(changed, RUN)
    with pytest.raises(Unavailable, match="driver virtualbox does not support"), ExitStack() as undo:
        networks_of(changed, journal, tmp_path).join(order(), only, undo)
    assert journal.entries() == []


def test_machines_of_different_daemons_are_not_joined(journal: Journal, tmp_path: Path) -> None:
    machines = {name: {"driver": "libvirt", "networks": ["lan"], "uri": f"qemu+ssh://{name}/system"}
                for name in "ab"}  # fmt: skip
    found = lab_of(machines, networks={"lan": {}})
    with pytest.raises(Unavailable, match="different libvirt daemons"), ExitStack() as undo:
        networks_of(found, journal, tmp_path).join(order(), jobs(found, RUN)[0], undo)
