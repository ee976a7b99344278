"""A Dask scheduler that somebody else started, as docs/cluster.md says: isolab's workers and engine work with
it, and take nothing from its other clients."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_cluster import LoopbackCluster, jobs_of

from orchestrator.cluster.scheduling.certificates import CA_CERTIFICATE, FOLDER, Role, issue
from orchestrator.cluster.scheduling.start import SchedulerProcess, Started
from orchestrator.deadline import Deadline, poll
from orchestrator.host import process
from orchestrator.host.process import Conversation
from orchestrator.paths import ROOT
from orchestrator.record import Status

pytestmark = pytest.mark.real

PAGE = (ROOT / "docs/cluster.md").read_text()
SECONDS = 60.0
STRANGER = """\
import os, sys, time
from pathlib import Path
from distributed import Client
from orchestrator.cluster.scheduling.certificates import Role, issue, security
credentials = issue(Path(sys.argv[1]), Role.CONTROLLER, "somebody")
with Client(sys.argv[2], security=security(credentials)) as client:
    future = client.submit(os.getpid, workers=["a"], pure=False)
    while not future.done() and "a" in {one["name"] for one in client.scheduler_info()["workers"].values()}:
        time.sleep(0.01)
    print(future.status)
"""
"""Another client of the scheduler, which has a function of its own run on the worker `a`."""


def block(language: str, word: str) -> str:
    """The block of the page that holds this word."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if word in text]
    return str(found)


def _address(file: Path) -> str:
    """What the scheduler wrote about itself; "" until it is written."""
    try:
        return str(json.loads(file.read_text())["address"])
    except (FileNotFoundError, ValueError):
        return ""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LoopbackCluster]:
    """A cluster whose scheduler is Dask's own, started with the page's files and command."""
    credentials = issue(tmp_path, Role.SCHEDULER, "scheduler")
    (tmp_path / "ca.pem").write_text((tmp_path / FOLDER / CA_CERTIFICATE).read_text())
    (tmp_path / "scheduler.pem").write_text(credentials.certificate)
    (tmp_path / "scheduler.key").write_text(credentials.key)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/isolab.yaml").write_text(block("yaml", "allowed-failures"))
    (tmp_path / "isolab_scheduler.py").write_text(block("python", "dask_setup"))
    words = block("", "dask scheduler").replace("\\\n", " ").replace("--port 8786", "--port 0").split()
    assert words[:2] == ["dask", "scheduler"]
    argv = [sys.executable, "-m", "distributed.cli.dask_scheduler", *words[2:]]
    told = tmp_path / "told.json"
    scheduler = Conversation(
        ["env", f"DASK_CONFIG={tmp_path}/config", *argv, "--scheduler-file", str(told)], cwd=tmp_path
    )
    found: LoopbackCluster | None = None
    try:
        address = poll(lambda: _address(told), Deadline.after(SECONDS), "waiting for Dask's scheduler")
        up = SchedulerProcess(Started(scheduler, "Dask"), scheduler, address, "", credentials)
        found = LoopbackCluster(tmp_path, up)
        for host in ("a", "b"):
            found.add(host)
        yield found
    finally:
        for worker in found.workers.values() if found else ():
            worker.close(at_once=True)
        for agent in found.agents.values() if found else ():
            agent.close()
        scheduler.close(at_once=True)


def test_a_scheduler_that_is_there_already(cluster: LoopbackCluster) -> None:
    records = list(cluster.engine(["b", "a"]).run(jobs_of("run", 3)))
    assert sorted((one.machine, one.exercise) for one in records) == sorted(
        (f"m{number}", name) for number in range(3) for name in ("one", "two")
    )
    assert {(one.host, one.status) for one in records} == {("b", Status.PASS)}


def test_what_its_other_clients_ask_for_is_refused(cluster: LoopbackCluster) -> None:
    argv = [sys.executable, "-c", STRANGER, str(cluster.folder), cluster.scheduler()]
    done = process.run(argv, deadline=Deadline.after(SECONDS), cwd=ROOT)
    assert done.stdout.decode().split() == ["pending"]
    assert "getpid may not come out of a message" in cluster.workers["a"].complaints()
    assert [one.host for one in cluster.engine(["a", "b"]).run(jobs_of("run", 1))] == ["b", "b"]
