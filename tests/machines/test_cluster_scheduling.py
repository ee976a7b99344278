"""What happens to a run when parts of the scheduling die or lie: a real scheduler and real workers, each a
process on the loopback; agents are made up."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from loopback_cluster import LoopbackCluster, jobs_of, loopback_cluster
from made_up_agent import Script, all_pass, record_of

from orchestrator.cluster.model import SignedLine, Unit
from orchestrator.cluster.scheduling import certificates, dask_client
from orchestrator.cluster.scheduling.certificates import Credentials, Role, issue
from orchestrator.cluster.scheduling.engine import Limits
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError, Unavailable
from orchestrator.labfile.plan import Job
from orchestrator.record import Record, Status

pytestmark = pytest.mark.real

WAIT = 120.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackCluster]:
    with loopback_cluster(tmp_path_factory.mktemp("c"), ["a", "b"]) as found:
        yield found


@pytest.fixture
def cluster(shared: LoopbackCluster) -> LoopbackCluster:
    for agent in shared.agents.values():
        agent.script = all_pass
        agent.ran.clear()
        agent.cancelled.clear()
    shared.told.clear()
    return shared


def outcome(records: Sequence[Record]) -> list[tuple[str, str, str]]:
    for record in records:
        if record.status is Status.ERROR:
            print(record.machine, record.reason)  # for whoever reads why a test failed
    return sorted((record.machine, record.exercise, str(record.status)) for record in records)


def passed(count: int) -> list[tuple[str, str, str]]:
    return sorted((f"m{number}", name, "pass") for number in range(count) for name in ("one", "two"))


class Halves:
    """A unit that stops after its first record until it may go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, unit: Unit) -> Iterator[tuple[str, str]]:
        lines = all_pass(unit)
        yield next(lines)
        assert self.go_on.wait(WAIT)
        yield from lines


def test_records_of_all_units_come_once_each_and_say_their_host(cluster: LoopbackCluster) -> None:
    records = [
        *cluster.engine(["a"]).run(jobs_of("of-a", 3)),
        *cluster.engine(["b"]).run(jobs_of("of-b", 3)),
    ]
    assert outcome(records) == sorted([*passed(3), *passed(3)])
    assert Counter((record.run, record.host) for record in records) == {("of-a", "a"): 6, ("of-b", "b"): 6}


def test_a_host_that_is_full_leaves_units_to_the_next(cluster: LoopbackCluster) -> None:
    half = Halves()
    cluster.agents["a"].script = half
    engine = replace(cluster.engine(["a", "b"]), units=_large)
    found = engine.run(jobs_of("full", 2))
    with closing(found):
        first = [next(found) for _ in range(3)]  # one of the unit that waits on a, two of that on b
        half.go_on.set()
        records = [*first, *found]
    assert outcome(records) == passed(2)
    assert {record.machine: record.host for record in records} == {"m0": "a", "m1": "b"}


def _large(jobs: Sequence[Job]) -> list[Unit]:
    return [Unit(job.run, "bundle", (job,), places=("a", "b"), memory=3000 * 2**20) for job in jobs]


def test_a_host_with_few_slots_leaves_units_to_the_next(cluster: LoopbackCluster) -> None:
    half = Halves()
    cluster.agents["a"].script = half
    engine = replace(cluster.engine(["a", "b"]), slots={"a": 1})
    found = engine.run(jobs_of("slots", 2))
    with closing(found):
        first = [next(found) for _ in range(3)]
        half.go_on.set()
        records = [*first, *found]
    assert outcome(records) == passed(2)
    assert {record.machine: record.host for record in records} == {"m0": "a", "m1": "b"}


def test_a_unit_gets_what_its_host_alone_is_to_have(cluster: LoopbackCluster) -> None:
    work: list[str] = []

    def noting(unit: Unit) -> Iterator[tuple[str, str]]:
        work.append(unit.work)
        yield from all_pass(unit)

    for agent in cluster.agents.values():
        agent.script = noting
    engine = replace(cluster.engine(["a"]), ready=lambda unit, host: replace(unit, work=f"for {host}"))
    assert outcome([*engine.run(jobs_of("ready", 1))]) == passed(1)
    assert work == ["for a"]


def test_a_unit_that_cannot_be_made_ready_for_a_host_goes_to_another_one(cluster: LoopbackCluster) -> None:
    def ready(unit: Unit, host: str) -> Unit:
        if host == "a":
            raise LabError("its disk is full")
        return unit

    engine = replace(cluster.engine(["a", "b"]), ready=ready)
    records = [*engine.run(jobs_of("unready", 1))]
    assert outcome(records) == passed(1)
    assert {record.host for record in records} == {"b"}
    assert any("its disk is full" in words for words in cluster.told)


def test_jobs_of_a_unit_may_have_runs_of_their_own(cluster: LoopbackCluster) -> None:
    jobs = [replace(job, run=f"own-{job.machine}") for job in jobs_of("whole", 2)]
    engine = cluster.engine(["a"])
    engine = replace(engine, units=lambda jobs: [Unit("whole", "b", (job,), places=("a",)) for job in jobs])
    records = [*engine.run(jobs)]
    assert outcome(records) == passed(2)
    assert {record.run for record in records} == {"own-m0", "own-m1"}


def test_the_unit_of_a_worker_that_was_killed_goes_on_and_runs_once(cluster: LoopbackCluster) -> None:
    half = Halves()
    cluster.agents["a"].script = half
    found = cluster.engine(["a"]).run(jobs_of("killed", 1))
    with closing(found):
        records = [next(found)]
        cluster.kill_worker("a")
        cluster.restart_worker("a")
        half.go_on.set()
        records += found
    assert outcome(records) == passed(1)
    assert [epoch for _, epoch in cluster.agents["a"].ran] == [1]


def test_the_unit_of_a_host_that_is_gone_runs_on_another_in_the_next_epoch(cluster: LoopbackCluster) -> None:
    half = Halves()
    cluster.agents["a"].script = half
    found = cluster.engine(["a", "b"], Limits(unplaceable=WAIT, lost=0.0)).run(jobs_of("gone", 1))
    with closing(found):
        records = [next(found)]
        cluster.kill_worker("a")
        records += found
    half.go_on.set()
    cluster.restart_worker("a")
    assert outcome(records) == passed(1)
    assert [record.host for record in records] == ["a", "b"]  # what has been written counts
    assert [epoch for _, epoch in cluster.agents["b"].ran] == [2]
    assert cluster.agents["a"].cancelled == ["gone"]  # it may run there still
    assert any("giving m0 to another host" in words for words in cluster.told)


def test_a_unit_that_two_hosts_failed_is_an_error_that_names_them(cluster: LoopbackCluster) -> None:
    def breaks(unit: Unit) -> Iterator[tuple[str, str]]:
        yield "record", "no record"

    for agent in cluster.agents.values():
        agent.script = breaks
        agent.refuse = "no disk is left"
    try:
        records = [*cluster.engine(["a", "b"]).run(jobs_of("failed", 1))]
    finally:
        for agent in cluster.agents.values():
            agent.refuse = ""
    assert outcome(records) == [("m0", "one", "error"), ("m0", "two", "error")]
    assert records[0].reason == "infrastructure: a: no disk is left; b: no disk is left"


def test_a_run_goes_on_with_the_scheduler_that_replaces_a_killed_one(cluster: LoopbackCluster) -> None:
    halves = {name: Halves() for name in cluster.agents}
    for name, agent in cluster.agents.items():
        agent.script = halves[name]
    engine = replace(cluster.engine(["a", "b"]), units=_large)
    found = engine.run(jobs_of("replaced", 2))
    with closing(found):
        records = [next(found), next(found)]
        cluster.kill_scheduler()
        cluster.restart_scheduler()
        for half in halves.values():
            half.go_on.set()
        records += found
    assert outcome(records) == passed(2)
    assert [epoch for agent in cluster.agents.values() for _, epoch in agent.ran] == [1, 1]


def test_records_that_hosts_have_are_fetched_when_no_scheduler_comes(cluster: LoopbackCluster) -> None:
    """G1: what was written counts, though nothing of Dask is left to bring it."""
    half = cluster.agents["a"].script = Halves()
    found = cluster.engine(["a"], Limits(unplaceable=1.0, lost=60.0)).run(jobs_of("no scheduler", 1))
    with closing(found):
        records = [next(found)]
        cluster.kill_scheduler()
        half.go_on.set()
        records += found
    cluster.restart_scheduler()
    assert outcome(records) == passed(1)


@pytest.mark.parametrize(
    ("places", "memory", "words"),
    [
        (("a",), 5000, "a has 4096 MiB of memory, and it needs 5000 MiB"),
        (("elsewhere",), 1, "elsewhere is away (no route to host)"),
        ((), 1, "no host may run it"),
    ],
)
def test_a_unit_that_fits_nowhere_fails_with_host_and_resource(
    cluster: LoopbackCluster, places: tuple[str, ...], memory: int, words: str
) -> None:
    engine = cluster.engine(places, Limits(unplaceable=0.0, lost=0.0))
    engine = replace(
        engine,
        units=lambda jobs: [
            Unit(job.run, "bundle", (job,), places=places, memory=memory * 2**20) for job in jobs
        ],
    )
    records = [*engine.run(jobs_of("nowhere", 1))]
    assert outcome(records) == [("m0", "one", "error"), ("m0", "two", "error")]
    assert words in records[0].reason


def test_what_a_unit_returns_fills_in_for_events_that_were_lost(
    cluster: LoopbackCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_client.DaskClient, "_event", lambda *_: None)
    assert outcome([*cluster.engine(["a"]).run(jobs_of("silent", 2))]) == passed(2)


def test_a_host_that_lies_changes_no_record_of_another(
    cluster: LoopbackCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """b, of which nothing is as it should be, sends lines as b and as a for a's unit, and reports for a
    machine that it has not."""
    halves = {name: Halves() for name in cluster.agents}
    seen: dict[str, Unit] = {}
    clients: list[dask_client.DaskClient] = []

    def noting(name: str) -> Script:
        def script(unit: Unit) -> Iterator[tuple[str, str]]:
            seen[name] = unit
            yield from halves[name](unit)

        return script

    for name, agent in cluster.agents.items():
        agent.script = noting(name)
    give = dask_client.DaskClient.give

    def noted(client: dask_client.DaskClient, order: str, address: str, memory: int) -> str:
        clients.append(client)
        return give(client, order, address, memory)

    monkeypatch.setattr(dask_client.DaskClient, "give", noted)
    found = replace(cluster.engine([]), units=_one_each).run(jobs_of("lies", 2))
    with closing(found):
        records = [next(found), next(found)]
        body = replace(record_of(seen["a"].jobs[0], "two"), status=Status.FAIL).to_json()
        lies = [
            SignedLine("b", seen["a"].key, 1, 1, "record", body),
            SignedLine("a", seen["a"].key, 1, 1, "record", body),
            SignedLine("b", seen["b"].key, 1, 9, "record", body),
        ]
        for lie in lies:
            clients[0]._event((0, {"line": cluster.agents["b"].sign(lie).to_json()}))
        for half in halves.values():
            half.go_on.set()
        records += found
    assert outcome(records) == passed(2)
    assert {record.machine: record.host for record in records} == {"m0": "a", "m1": "b"}
    told = "\n".join(cluster.told)
    assert "b: refused a line of a unit that was not given to it" in told
    assert "a: refused a line whose signature is wrong" in told
    assert "b: refused a record of m0/two, which it was not to make" in told


def _one_each(jobs: Sequence[Job]) -> list[Unit]:
    return [
        Unit(job.run, "bundle", (job,), places=(host,)) for job, host in zip(jobs, ("a", "b"), strict=True)
    ]


def test_closing_a_run_cancels_it_on_its_hosts(cluster: LoopbackCluster) -> None:
    half = Halves()
    cluster.agents["a"].script = half
    found = cluster.engine(["a"]).run(jobs_of("closed", 1))
    next(found)
    found.close()
    half.go_on.set()
    assert cluster.agents["a"].cancelled == ["closed"]
    assert cluster.agents["b"].cancelled == []


def test_a_cancelled_run_ends(cluster: LoopbackCluster) -> None:
    half, stop = Halves(), Cancellation()
    cluster.agents["a"].script = half
    found = cluster.engine(["a"], cancellation=stop).run(jobs_of("stopped", 1))
    next(found)
    stop.cancel()
    with pytest.raises(Interrupted):
        next(found)
    half.go_on.set()
    assert cluster.agents["a"].cancelled == ["stopped"]


def _connect(cluster: LoopbackCluster, credentials: Credentials) -> dask_client.DaskClient:
    import queue

    return dask_client.DaskClient(cluster.scheduler(), credentials, "isolab-run-x", queue.SimpleQueue(), 1)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("foreign", "the certificate is of another cluster"),
        ("expired", "the certificate expired"),
        ("of a host", "the certificate is not for a controller"),
    ],
)
def test_wrong_certificates_are_told_before_any_connection(
    cluster: LoopbackCluster, tmp_path: Path, which: str, words: str
) -> None:
    with pytest.raises(Unavailable, match=words):
        _connect(cluster, _wrong(cluster, tmp_path, which))


@pytest.mark.parametrize("which", ["foreign", "expired", "of a host", "none"])
def test_the_scheduler_refuses_who_connects_with_a_wrong_certificate(
    cluster: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Whoever does not look at its own certificate is refused by the other side."""
    monkeypatch.setattr(Credentials, "check", lambda *_: None)
    monkeypatch.setattr("orchestrator.cluster.scheduling.settings.CONNECT_SECONDS", 2)
    if which == "none":
        monkeypatch.setattr(certificates, "security", _nothing_shown)
    with pytest.raises(Unavailable, match=r"cannot be reached|does not answer"):
        _connect(cluster, _wrong(cluster, tmp_path, which)).workers()


@pytest.mark.rotated
def test_a_worker_with_a_wrong_certificate_is_refused_in_words(
    cluster: LoopbackCluster, tmp_path: Path
) -> None:
    wrong = {
        "the certificate is of another cluster": issue(tmp_path, Role.HOST, "a"),
        "this one's authority did not issue it": _wrong(cluster, tmp_path, "foreign", Role.HOST),
        "the certificate expired at": _wrong(cluster, tmp_path, "expired", Role.HOST),
    }
    for words, credentials in wrong.items():
        with pytest.raises(LabError, match=words):
            cluster.work_on("a", credentials)
    assert outcome([*cluster.engine(["a"]).run(jobs_of("still", 1))]) == passed(1)


def _wrong(cluster: LoopbackCluster, place: Path, which: str, role: Role = Role.CONTROLLER) -> Credentials:
    match which:
        case "foreign":
            foreign, ours = issue(place, role, "a"), issue(cluster.folder, role, "a")
            return replace(foreign, authority=ours.authority)
        case "expired":
            return issue(cluster.folder, role, "a", now=datetime.now(UTC) - timedelta(days=9))
        case "of a host":
            return issue(cluster.folder, Role.HOST, "a")
        case _:
            return issue(cluster.folder, role, "a")


def _nothing_shown(credentials: Credentials) -> object:
    import ssl

    from distributed.security import Security

    base: Any = Security

    class Bare(base):  # type: ignore[misc]
        def _get_tls_context(self, tls: object, purpose: ssl.Purpose) -> ssl.SSLContext:
            context = ssl.create_default_context(purpose, cadata=credentials.authority)
            context.check_hostname = False
            return context

    return Bare(tls_ca_file=credentials.authority, require_encryption=True)
