"""A Dask scheduler that somebody else started, as docs/cluster.md says: isolab's workers and engine work with
it, and take nothing from its other clients."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_cluster import jobs_of
from supervised_cluster import SupervisedCluster, supervised_cluster

from orchestrator.cluster.scheduling.certificates import CA_CERTIFICATE, FOLDER, Role, issue
from orchestrator.cluster.supervisor.state_file import State
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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupervisedCluster]:
    """A cluster whose scheduler is Dask's own, started with the page's files and command."""
    folder = tmp_path_factory.mktemp("existing")
    credentials = issue(folder, Role.SCHEDULER, "scheduler")
    (folder / "ca.pem").write_text((folder / FOLDER / CA_CERTIFICATE).read_text())
    (folder / "scheduler.pem").write_text(credentials.certificate)
    (folder / "scheduler.key").write_text(credentials.key)
    (folder / "config").mkdir()
    (folder / "config/isolab.yaml").write_text(block("yaml", "allowed-failures"))
    (folder / "isolab_scheduler.py").write_text(block("python", "dask_setup"))
    words = block("", "dask scheduler").replace("\\\n", " ").replace("--port 8786", "--port 0").split()
    assert words[:2] == ["dask", "scheduler"]
    argv = [sys.executable, "-m", "distributed.cli.dask_scheduler", *words[2:]]
    told = folder / "told.json"
    with contextlib.closing(
        Conversation(
            ["env", f"DASK_CONFIG={folder}/config", *argv, "--scheduler-file", str(told)], cwd=folder
        )
    ):
        address = poll(lambda: _address(told), Deadline.after(SECONDS), "waiting for Dask's scheduler")
        with supervised_cluster(folder, ["a", "b"], address) as found:
            for name in found.agents:
                found.wait_for(name, State.UP)
            yield found


def test_a_scheduler_that_is_there_already(cluster: SupervisedCluster) -> None:
    assert cluster.status().scheduler == _address(cluster.folder / "told.json")
    records = list(cluster.engine(["b", "a"]).run(jobs_of("run", 3)))
    assert sorted((one.machine, one.exercise) for one in records) == sorted(
        (f"m{number}", name) for number in range(3) for name in ("one", "two")
    )
    assert {(one.host, one.status) for one in records} == {("b", Status.PASS)}


def test_what_its_other_clients_ask_for_is_refused(cluster: SupervisedCluster) -> None:
    before, ran = cluster.status().hosts["a"].starts, list(cluster.agents["a"].ran)
    argv = [sys.executable, "-c", STRANGER, str(cluster.folder), cluster.status().scheduler]
    done = process.run(argv, deadline=Deadline.after(SECONDS), cwd=ROOT)
    assert done.stdout.decode().split() == ["pending"]
    assert cluster.agents["a"].ran == ran
    cluster.wait_for("a", State.UP, before + 1)
    records = cluster.engine(["a"]).run(jobs_of("after", 1))
    assert {(one.host, one.status) for one in records} == {("a", Status.PASS)}
