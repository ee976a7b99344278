"""What dies in a cluster is started again by its supervisor; agents and the way to hosts are made up."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from bench import living_in
from habitat import fresh_home
from loopback_cluster import jobs_of
from made_up_agent import all_pass
from supervised_cluster import SECONDS, SupervisedCluster, supervised_cluster

from orchestrator.cluster import supervisor
from orchestrator.cluster.model import Unit
from orchestrator.cluster.paths import cluster_state
from orchestrator.cluster.reach.connection import remove_sockets
from orchestrator.cluster.scheduling import process_pipes
from orchestrator.cluster.scheduling.run_journal import run_journal
from orchestrator.cluster.scheduling.settings import CERTIFICATE_DAYS
from orchestrator.cluster.scheduling.start import start_scheduler
from orchestrator.cluster.supervisor import keep_host, keep_scheduler
from orchestrator.cluster.supervisor.state_file import State, status
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import Unavailable
from orchestrator.host import process_table
from orchestrator.record import Status

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupervisedCluster]:
    with supervised_cluster(tmp_path_factory.mktemp("s"), ["a", "b"]) as found:
        yield found


@pytest.fixture
def cluster(shared: SupervisedCluster) -> SupervisedCluster:
    for name, agent in shared.agents.items():
        agent.script = all_pass
        agent.ran.clear()
        shared.wait_for(name, State.UP)
    return shared


def _scheduler_process(cluster: SupervisedCluster) -> int:
    words = [words for words in cluster.said if words.startswith("the scheduler listens")]
    return int(words[-1].rpartition("process ")[2].rstrip(")"))


def test_everything_comes_up_and_says_what_it_is(cluster: SupervisedCluster) -> None:
    found = cluster.status()
    assert found.scheduler.startswith("tls://127.0.0.1:")
    for name, host in found.hosts.items():
        assert host.facts is not None
        assert host.facts.public_key == cluster.agents[name].public_key
    assert (cluster.folder / "status.json").stat().st_mode & 0o077 == 0


def test_a_worker_that_was_killed_is_started_again_and_the_unit_goes_on(cluster: SupervisedCluster) -> None:
    go_on = threading.Event()

    def half(unit: Unit) -> Iterator[tuple[str, str]]:
        lines = all_pass(unit)
        yield next(lines)
        assert go_on.wait(SECONDS)
        yield from lines

    cluster.agents["a"].script = half
    before = cluster.status().hosts["a"].starts
    found = cluster.engine(["a"]).run(jobs_of("killed", 1))
    with closing(found):
        records = [next(found)]
        os.kill(cluster.ways["a"].workers[-1].pid, signal.SIGKILL)
        cluster.wait_for("a", State.UP, before + 1)
        go_on.set()
        records += found
    assert [record.status for record in records] == [Status.PASS, Status.PASS]
    assert [epoch for _, epoch in cluster.agents["a"].ran] == [1]


def test_a_scheduler_that_was_killed_is_replaced_and_workers_return_to_it(cluster: SupervisedCluster) -> None:
    before = cluster.status()
    os.kill(_scheduler_process(cluster), signal.SIGKILL)
    for name, host in before.hosts.items():
        cluster.wait_for(name, State.UP, host.starts + 1)
    after = cluster.status()
    assert (after.scheduler, after.starts) == (before.scheduler, before.starts + 1)
    records = [*cluster.engine(["a", "b"]).run(jobs_of("after", 2))]
    assert {record.status for record in records} == {Status.PASS}


def test_a_host_whose_link_is_cut_is_away_with_words_and_returns(cluster: SupervisedCluster) -> None:
    before = cluster.status().hosts["b"].starts
    cluster.unreachable.add("b")
    cluster.ways["b"].cut()
    poll(lambda: "no route" in cluster.status().hosts["b"].trouble, Deadline.after(SECONDS), "away")
    assert cluster.status().hosts["a"].state is State.UP
    cluster.unreachable.clear()
    cluster.wait_for("b", State.UP, before + 1)
    assert cluster.status().hosts["b"].trouble == ""


def test_leases_are_prolonged_of_runs_that_are_carried_out(cluster: SupervisedCluster) -> None:
    agent = cluster.agents["a"]
    with run_journal(cluster.folder, "held"):
        poll(lambda: ["held"] in agent.beaten, Deadline.after(SECONDS), "a beat", interval=0.02)
    (cluster.folder / "runs" / "gone.jsonl").write_text("{}\n")
    assert all("gone" not in runs for runs in agent.beaten)


@pytest.mark.rotated
def test_nothing_is_left_of_a_supervisor_that_was_stopped(tmp_path: Path) -> None:
    with supervised_cluster(tmp_path, ["a"]) as cluster:
        pids = [_scheduler_process(cluster), cluster.ways["a"].workers[-1].pid]
        assert all(process_table.name_of(pid) != "?" for pid in pids)
    assert [process_table.name_of(pid) for pid in pids] == ["?", "?"]
    assert not status(tmp_path).runs


@pytest.mark.whole("silence is told from work only after seconds")
def test_what_does_not_answer_any_more_is_started_again(
    cluster: SupervisedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pipes, "SILENT_SECONDS", 6.0)
    before = cluster.status()
    os.kill(cluster.ways["a"].workers[-1].pid, signal.SIGSTOP)
    cluster.wait_for("a", State.UP, before.hosts["a"].starts + 1)
    os.kill(_scheduler_process(cluster), signal.SIGSTOP)
    poll(lambda: cluster.status().starts > before.starts, Deadline.after(SECONDS), "another scheduler")
    for name in cluster.agents:
        cluster.wait_for(name, State.UP, before.hosts[name].starts + 1)


class _Clock:
    """The clock of a supervisor, which may be put ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.mark.rotated
def test_certificates_that_end_soon_are_renewed_while_a_unit_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, go_on = _Clock(), threading.Event()
    for module in (keep_scheduler, keep_host):
        monkeypatch.setattr(module, "time", clock)

    def half(unit: Unit) -> Iterator[tuple[str, str]]:
        lines = all_pass(unit)
        yield next(lines)
        assert go_on.wait(SECONDS)
        yield from lines

    with supervised_cluster(tmp_path, ["a"]) as cluster:
        cluster.agents["a"].script = half
        found = cluster.engine(["a"]).run(jobs_of("renewed", 1))
        with closing(found):
            records, before = [next(found)], cluster.status()
            clock.ahead = (timedelta(days=CERTIFICATE_DAYS) - keep_scheduler.RENEW).total_seconds()
            poll(lambda: cluster.status().starts > before.starts, Deadline.after(SECONDS), "a scheduler")
            cluster.wait_for("a", State.UP, before.hosts["a"].starts + 1)
            go_on.set()
            records += found
        assert [record.status for record in records] == [Status.PASS, Status.PASS]
        assert {epoch for _, epoch in cluster.agents["a"].ran} == {1}
        assert any("certificate ends soon" in words for words in cluster.said)


@pytest.mark.rotated
def test_a_supervisor_in_the_background_says_why_a_host_is_away_and_ends_when_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]  # nobody listens there afterwards
    file = tmp_path / "hosts.yaml"
    file.write_text(f"hosts:\n  - name: nobody\n    ssh: root@127.0.0.1:{port}\n")
    with fresh_home() as home, living_in(home):
        folder = cluster_state(file)
        try:
            assert supervisor.start(file, folder)
            assert not supervisor.start(file, folder)
            found = supervisor.wait_until_settled(folder, Deadline.after(SECONDS), lambda _: None)
            assert found.scheduler
            assert found.hosts["nobody"].state is State.AWAY
            assert "nobody" in found.words
            os.kill(found.process, signal.SIGKILL)
            again = poll(lambda: _another(folder, found.process), Deadline.after(SECONDS), "another one")
            file.write_text(file.read_text() + "# changed\n")
            assert supervisor.start(file, folder)  # it has read another file
            assert status(folder).process not in (found.process, again)
        finally:
            assert supervisor.stop(folder)
            remove_sockets(folder)
        assert not status(folder).runs
        assert not supervisor.stop(folder)


def _another(folder: Path, than: int) -> int:
    found = status(folder)
    return found.process if found.runs and found.process != than else 0


def test_a_supervisor_that_cannot_start_says_why_at_once(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text("hosts: []\n")
    with fresh_home() as home, living_in(home):
        folder = cluster_state(file)
        with pytest.raises(Unavailable, match=r"did not start: .*hosts\.yaml"):
            supervisor.start(file, folder)
        assert not supervisor.stop(folder)


@pytest.mark.rotated
def test_a_scheduler_that_is_there_already_is_used_and_its_absence_told(tmp_path: Path) -> None:
    theirs = start_scheduler(tmp_path, 0, Deadline.after(SECONDS))
    try:
        with supervised_cluster(tmp_path, ["a"], theirs.address) as cluster:
            assert cluster.status().scheduler == theirs.address
            records = [*cluster.engine(["a"]).run(jobs_of("theirs", 1))]
            assert {record.status for record in records} == {Status.PASS}
            theirs.process.close(at_once=True)
            words = f"no Dask scheduler answers at {theirs.address}"
            poll(lambda: cluster.status().trouble == words, Deadline.after(SECONDS), "its absence")
    finally:
        theirs.process.close(at_once=True)
