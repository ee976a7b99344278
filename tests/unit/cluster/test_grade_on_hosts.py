"""Which hosts of a cluster grade what, what they are sent for it, and that they are told when it is over."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import factories
import pytest

from orchestrator.cluster import grade as module
from orchestrator.cluster.agent.units import PARCEL
from orchestrator.cluster.bundle import unpack
from orchestrator.cluster.grade import ClusterGraders, OnCluster
from orchestrator.cluster.grading_offers import capacity
from orchestrator.cluster.grading_rounds import FOLDER, noted
from orchestrator.cluster.model import SENT_APART, Cluster, ClusterHost, Destination, Unit
from orchestrator.cluster.offers import Offer, Offers
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import TransportError, Unavailable
from orchestrator.grading.graders import Task
from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.inputs import Inputs
from orchestrator.grading.parcel import opened
from orchestrator.grading.queue import Batch, batches_of
from orchestrator.grading.queue import Unit as Verdict
from orchestrator.grading.work import Work, WorkStore
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Lab
from orchestrator.labfile.plan import Job
from orchestrator.progress import SilentProgress
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id
from orchestrator.submissions.model import Student, Submission

GIB = 2**30
OFFER = Offer("alder", "amd64", 8 * GIB, 4, emulates=frozenset({"amd64", "s390x"}))
NAMES = ("alder", "birch", "cedar")
MACHINES = {"vm": {"driver": "qemu", "arch": "s390x"}, "other": {"driver": "qemu", "arch": "s390x"}}


@dataclass
class FakeAgent:
    """Takes what is sent; ``lacking`` machines cannot be there."""

    lacking: dict[str, str] = field(default_factory=dict)
    sent: dict[str, tuple[str, Path]] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    asked_logs: list[str] = field(default_factory=list)
    broken: bool = False
    away: bool = False

    def missing(self, digests: Sequence[str], _deadline: Deadline) -> list[str]:
        return [one for one in digests if one not in self.sent]

    def put(self, digest: str, archive: Path, _deadline: Deadline, *, run: str = "") -> None:
        folder = archive.parent / f"unpacked-{id(self)}-{digest}"
        folder.mkdir()
        unpack(archive, folder)
        self.sent[digest] = (run, folder)

    def identities(
        self, _bundle: str, machines: Sequence[str], _deadline: Deadline
    ) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
        if self.broken:
            raise TransportError("the connection broke")
        return {name: ("t", "q") for name in machines if name not in self.lacking}, self.lacking

    def logs(self, run: str, *_: object) -> list[str]:
        self.asked_logs.append(run)
        raise TransportError("no logs here")

    def forget(self, run: str, _deadline: Deadline) -> None:
        if self.away:
            raise TransportError("no way there")
        self.forgotten.append(run)


@dataclass
class FakeHosts:
    """Connections to hosts that are none."""

    cluster: Cluster
    state: Path
    agents: dict[str, FakeAgent]
    cleaning_up: bool = False

    def clean_up(self) -> None:
        self.cleaning_up = True

    def agent(self, host: ClusterHost) -> FakeAgent:
        return self.agents[host.name]

    def deadline(self, seconds: float = 60.0) -> Deadline:
        return Deadline.after(seconds)

    def each(
        self, act: Callable[[ClusterHost], Any], hosts: Sequence[ClusterHost]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        found, failed = {}, {}
        for host in hosts:
            try:
                found[host.name] = act(host)
            except TransportError as problem:
                failed[host.name] = problem.message
        return found, failed


@dataclass(frozen=True)
class FakeEngine:
    """Gives each unit to its first host, whose records have the status that is set for it."""

    status: dict[str, Status]
    seen: list[tuple[str, Unit]]
    slots: dict[str, int]
    units: Callable[[Sequence[Job]], Sequence[Unit]]
    ready: Callable[[Unit, str], Unit]

    def run(self, jobs: Sequence[Job]) -> Generator[Record, None, None]:
        for unit in self.units(jobs):
            host = unit.places[0]
            self.seen.append((host, self.ready(unit, host)))
            for job in unit.jobs:
                for name in job.exercises:
                    status = self.status.get(host, Status.PASS)
                    yield factories.record(
                        name, run=job.run, machine=job.machine, student=job.student, host=host, status=status
                    )


@dataclass
class Room:
    """A cluster of three hosts, a task, and what the engine was given."""

    where: OnCluster
    task: Task
    hosts: FakeHosts
    status: dict[str, Status] = field(default_factory=dict)
    seen: list[tuple[str, Unit]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def agents(self) -> dict[str, FakeAgent]:
        return self.hosts.agents

    def graders(self) -> ClusterGraders:
        return ClusterGraders(self.task, self.where, self.hosts, Cancellation())  # type: ignore[arg-type]

    def batches(self, *students: str, files: bytes = b"x") -> list[Batch]:
        exercise = self.task.exercises[0]
        verdicts = []
        for who in students:
            about = Submission((Student(who),), Path(), who)
            content = files + who.encode()
            work = Work(about, exercise, self.task.store.keep({"a.c": content}), {})
            verdicts.append(Verdict(work, "vm", Inputs(work.digest, "p", "h", "t", "q")))
        return batches_of(verdicts, {"vm": (), "other": ()}, new_run_id)


class Told(SilentProgress):
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def tell(self, text: str) -> None:
        self._told.append(text)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    folder = tmp_path / "exercises/topic/a"
    for name in (
        "a.c",
        "hidden.yaml",
        "solution/a.c",
        "wrong/one/a.c",
        "alternatives/two/a.c",
        "skeleton/a.c",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n")
    exercise = factories.loaded(folder, {"student": {"files": ["a.c"]}}, "a")
    spec = Lab.model_validate({"lab": "small", "machines": MACHINES, "exercises": ["a"]})
    lab = LoadedLab(spec, tmp_path / "lab.yaml", (exercise,))
    hosts = tuple(ClusterHost(name, Destination(name)) for name in NAMES)
    cluster = Cluster(tmp_path / "hosts.yaml", hosts)
    fake = FakeHosts(cluster, tmp_path / "state", {name: FakeAgent() for name in NAMES})
    told: list[str] = []
    store, logs = WorkStore(tmp_path / "out"), tmp_path / "logs"
    task = Task(lab, (exercise,), ("vm", "other"), store, logs, Told(told))
    found = Room(OnCluster(cluster), task, fake, told=told)
    offers = tuple(
        Offer(name, OFFER.arch, OFFER.memory, OFFER.cpus, emulates=OFFER.emulates) for name in NAMES
    )
    monkeypatch.setattr(module, "there_now", lambda _: Offers(offers))
    monkeypatch.setattr(module, "SupervisorView", lambda _: None)

    def engine(**about: Any) -> FakeEngine:
        return FakeEngine(found.status, found.seen, about["slots"], about["units"], about["ready"])

    monkeypatch.setattr(module, "ClusterEngine", engine)
    return found


def test_what_machines_are_on_each_host(room: Room) -> None:
    room.agents["birch"].lacking = {"vm": "podman is not installed"}
    room.agents["cedar"].broken = True
    graders = room.graders()
    here = MachineIdentity("t", "q")
    assert graders.kinds() == {"vm": {"alder": here}, "other": {"alder": here, "birch": here}}
    assert graders.away == {"cedar"}
    assert "cedar takes no part: the connection broke" in room.told
    assert any(line.startswith("birch: machine vm cannot grade there: podman") for line in room.told)


def test_only_the_lab_without_its_tests_is_sent_before_anything_is_graded(room: Room) -> None:
    room.graders().kinds()
    ((run, folder),) = room.agents["alder"].sent.values()
    assert run == ""
    assert not any(path.name in ("hidden.yaml", "a.c") for path in folder.rglob("*"))


def test_a_machine_that_no_host_can_have_is_said_with_every_host(room: Room) -> None:
    for agent in room.agents.values():
        agent.lacking = {"vm": "no QEMU"}
    with pytest.raises(Unavailable, match="alder: no QEMU; birch: no QEMU; cedar: no QEMU"):
        room.graders().kinds()


def test_each_host_gets_the_tests_for_this_round_and_the_work_it_grades(room: Room) -> None:
    batches = room.batches("ada", "ben", "cyd", "dan", "eve", "fay")
    with closing(room.graders().records(batches)) as found:
        records = [record for _, record in found]
    assert len(records) == 6
    assert {host for host, _ in room.seen} == set(NAMES)
    (run,) = {unit.run for _, unit in room.seen}
    assert {unit.bundle for _, unit in room.seen} <= set(room.agents["alder"].sent)
    for agent in room.agents.values():
        own = [folder for mine, folder in agent.sent.values() if mine == run]
        assert len(own) == 1
        names = {str(path.relative_to(own[0])) for path in own[0].rglob("*") if path.is_file()}
        assert {"topics/0/a/hidden.yaml", "topics/0/a/skeleton/a.c"} <= names
        assert not any(part in name for name in names for part in ("solution", "wrong", "alternatives"))
        assert agent.forgotten == [run]
    graded = {opened(unit.work)[0].files["a.c"] for _, unit in room.seen}
    assert graded == {f"x{batch.units[0].work.who}".encode() for batch in batches}


def test_what_is_too_large_for_a_message_goes_to_its_host_alone(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_INLINE", 100)
    with closing(room.graders().records(room.batches("ada", files=bytes(range(256))))) as found:
        list(found)
    ((host, unit),) = room.seen
    digest = unit.work.removeprefix(SENT_APART)
    run, folder = room.agents[host].sent[digest]
    assert run == unit.run
    assert opened((folder / PARCEL).read_text())[0].files["a.c"].endswith(b"ada")
    assert [name for name in NAMES if digest in room.agents[name].sent] == [host]


def test_hosts_are_told_though_nobody_waits_for_the_rest(room: Room) -> None:
    found = room.graders().records(room.batches("ada", "ben"))
    next(found)
    assert not room.hosts.cleaning_up
    found.close()
    assert room.hosts.cleaning_up
    assert all(len(agent.forgotten) == 1 for agent in room.agents.values())


def test_what_a_killed_grade_or_a_host_that_was_away_left_is_removed_by_the_next(room: Room) -> None:
    folder = room.hosts.state / FOLDER
    room.agents["birch"].away = True
    with closing(room.graders().records(room.batches("ada"))) as found:
        list(found)
    (note,) = folder.iterdir()
    assert note.read_text().split() == ["birch"]
    assert any("birch: cannot be told to remove" in words for words in room.told)
    room.agents["birch"].away = False
    with closing(room.graders().records(room.batches("ben"))) as found:
        list(found)
    assert note.name in room.agents["birch"].forgotten
    assert list(folder.iterdir()) == []


def test_what_another_grade_is_using_is_left_alone(room: Room) -> None:
    with (
        noted(room.hosts.state, "20260102-030405-0a0b0c", ["alder"], lambda *_: ()),
        closing(room.graders().records(room.batches("ada"))) as found,
    ):
        list(found)
    assert "20260102-030405-0a0b0c" not in room.agents["alder"].forgotten


def test_what_was_lost_on_a_host_is_graded_on_another_one(room: Room) -> None:
    room.status["alder"] = Status.ERROR
    lost = []
    with closing(room.graders().records(room.batches("ada", "ben", "cyd"))) as found:
        lost = [batch for batch, record in found if record.status is Status.ERROR]
    (who,) = {batch.units[0].work.who for batch in lost}
    assert room.agents["alder"].asked_logs == room.agents["alder"].forgotten
    room.seen.clear()
    with closing(room.graders().records(room.batches(who))) as found:
        assert [record.status for _, record in found] == [Status.PASS]
    assert room.seen[0][0] != "alder"


def test_a_pinned_machine_and_one_that_is_lacking_go_where_they_can(room: Room) -> None:
    room.agents["alder"].lacking = {"vm": "no QEMU"}
    with closing(room.graders().records(room.batches("ada", "ben", "cyd"))) as found:
        list(found)
    assert "alder" not in {name for _, unit in room.seen for name in unit.places}
    room.seen.clear()
    room.where = OnCluster(room.where.cluster, {"vm": "cedar"})
    with closing(room.graders().records(room.batches("ada", "ben", "cyd"))) as found:
        list(found)
    assert {unit.places for _, unit in room.seen} == {("cedar",)}


def test_as_many_machines_at_a_time_as_one_host_would_have() -> None:
    lab = factories.lab({"vm": {"driver": "qemu", "memory": "890MiB"}})
    small = Offer("small", "amd64", 2 * GIB, 16)
    room = capacity(lab, ("vm",), [OFFER, small])
    assert room.machines == {"alder": 8, "small": 2}
    assert room.units == room.machines
    assert room.compute == {"alder": 4, "small": 2}


def test_machines_of_a_network_are_one_unit_and_a_lab_may_say_how_many() -> None:
    net = {"driver": "qemu", "networks": ["lan"], "memory": "100MiB"}
    joined = factories.lab({"a": net, "b": net}, networks={"lan": {}})
    assert capacity(joined, ("a", "b"), [OFFER]).units == {"alder": 4}
    measured = factories.lab({"a": {"driver": "qemu"}}, at_once=1)
    assert capacity(measured, ("a",), [OFFER]).machines == {"alder": 1}


def test_more_hosts_take_less_time() -> None:
    lab = factories.lab({"vm": {"driver": "qemu"}})
    one = capacity(lab, ("vm",), [OFFER])
    two = capacity(lab, ("vm",), [OFFER, Offer("birch", "amd64", 8 * GIB, 4)])
    assert two.seconds(200, lab.exercises) < one.seconds(200, lab.exercises)
