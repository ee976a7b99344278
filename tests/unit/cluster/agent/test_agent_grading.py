"""What a host does for a class that is graded: work comes with its unit, and nothing of the round stays."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
from agents import DIGEST, RUN, Agent, agent_in, record, soon, unit
from factories import lab
from machines_made_up import NotedDriver, lab_context_of

from orchestrator.cluster.agent import identities as identities_module
from orchestrator.cluster.agent import requests as requests_module
from orchestrator.cluster.agent import run_unit as module
from orchestrator.cluster.agent.refusal import Refused
from orchestrator.cluster.agent.run_unit import Slots, programs_of, run_unit
from orchestrator.cluster.agent.running_unit import RunningUnit
from orchestrator.cluster.agent.units import OF_ONE_RUN_SECONDS, PARCEL
from orchestrator.cluster.model import SENT_APART
from orchestrator.errors import HostLacks, LabError, SpecError
from orchestrator.grading import parcel as parcels
from orchestrator.grading.identity import MachineIdentity
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import Job
from orchestrator.machines.journal import Journal
from orchestrator.machines.shortfall import NOTHING
from orchestrator.paths import cache_dir
from orchestrator.record import Record, Status
from orchestrator.run.context import RunContext

OWN = "20260102-030406-0a0b0c"
"""The run that one batch's machines have."""
LAB = lab({"m": {"driver": "process"}})


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "agent").mkdir()
    return agent_in(tmp_path / "agent")


def send(agent: Agent, data: bytes, run: str = "") -> str:
    archive, digest = agent.place.folder / "sent", hashlib.sha256(data).hexdigest()
    archive.write_bytes(data)
    with agent.client() as client:
        client.put(digest, archive, soon(), run=run)
    return digest


def there(agent: Agent, *digests: str) -> list[bool]:
    return [(agent.place.bundles / one).exists() for one in digests]


def test_what_was_sent_for_a_round_goes_with_it(agent: Agent) -> None:
    hidden, shared = send(agent, b"hidden tests", RUN), send(agent, b"a lab that is run")
    logs = agent.place.logs / RUN / OWN / "m"
    programs = cache_dir() / programs_of(RUN)
    for folder in (logs, programs):
        folder.mkdir(parents=True)
    agent.script.steps.put("scored")
    agent.script.steps.put("")
    with agent.client() as client:
        lines = list(client.run(unit(bundle=hidden), soon()))
        assert agent.units.ledger.lines(lines[0].unit, 1)
        client.forget(RUN, soon())
    assert there(agent, hidden, shared, DIGEST) == [False, True, True]
    assert agent.units.ledger.lines(lines[0].unit, 1) == []
    assert not logs.exists()
    assert not programs.exists()


def test_what_still_runs_of_a_round_is_ended_and_no_more_is_taken(agent: Agent) -> None:
    with agent.client() as client:
        running = agent.units.give(unit(), "lab1")
        assert running is not None
        client.forget(RUN, soon())
        assert running.ended
        with pytest.raises(Refused, match="cancelled"):
            list(client.run(unit("n"), soon()))


def test_only_a_run_is_forgotten(agent: Agent) -> None:
    with agent.client() as client, pytest.raises(SpecError, match="is no run"):
        client.forget("../bundles", soon())


def test_what_nobody_said_is_over_is_gone_after_a_day(agent: Agent) -> None:
    hidden, shared = send(agent, b"hidden tests", RUN), send(agent, b"a lab that is run")
    before = time.time() - OF_ONE_RUN_SECONDS - 60
    programs, others = cache_dir() / programs_of(RUN), cache_dir() / "programs"
    for folder in (programs, others):
        folder.mkdir(parents=True)
    for folder in (agent.place.bundles / hidden, agent.place.bundles / shared, programs, others):
        os.utime(folder, (before, before))
    agent.units.sweep()
    assert there(agent, hidden, shared) == [False, True]
    assert (programs.exists(), others.exists()) == (False, True)


def test_a_parcel_that_was_sent_apart_is_found(agent: Agent) -> None:
    digest = "a" * 64
    (agent.place.bundles / digest).mkdir()
    (agent.place.bundles / digest / PARCEL).write_text("the parcel")
    found = agent.units.give(unit(work=f"{SENT_APART}{digest}"), "lab1")
    assert found is not None
    assert found.unit.work == "the parcel"
    agent.script.steps.put("")
    found.wait()
    with pytest.raises(Refused, match="parcel"):
        agent.units.give(unit("n", work=f"{SENT_APART}{'b' * 64}"), "lab1")


@pytest.mark.parametrize("run", ["../x", "", "20260102"])
def test_a_job_whose_run_is_no_run_is_refused(agent: Agent, run: str) -> None:
    jobs = (Job(run, "small", "m", "", ("ipc/pipe",)),)
    with pytest.raises(SpecError, match="no unit"):
        agent.units.give(unit(jobs=jobs), "lab1")


def test_machines_of_a_batch_are_known_by_its_own_run(agent: Agent) -> None:
    jobs = (Job(OWN, "small", "m", OWN, ("ipc/pipe",)),)
    agent.script.steps.put("")
    given = agent.units.give(unit(jobs=jobs), "lab1")
    assert given is not None
    given.wait()
    assert agent.units.ledger.knows(OWN)
    assert agent.units.ledger.knows(RUN)
    assert not agent.units.ledger.knows("20260102-030407-0a0b0c")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[LoadedLab]:
    """The labs for which machines are provided."""
    driver, seen = NotedDriver(Journal(tmp_path / "machines.db")), []
    machines = lab_context_of(LAB, driver, tmp_path, monkeypatch)
    found = RunContext(machines, "its own name", cast(Any, None), cast(Any, None))

    @contextlib.contextmanager
    def run_context(whole: LoadedLab, *_: object, **__: object) -> Iterator[RunContext]:
        seen.append(whole)
        yield found

    monkeypatch.setattr(module, "run_context", run_context)
    monkeypatch.setattr(module, "Journal", lambda: driver.journal)
    return seen


@pytest.mark.parametrize(("status", "kept"), [(Status.PASS, False), (Status.ERROR, True)])
def test_a_unit_with_work_runs_the_work_and_keeps_the_logs_of_what_failed(
    agent: Agent,
    context: list[LoadedLab],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: Status,
    kept: bool,
) -> None:
    whole, logs = lab({"m": {"driver": "process"}}, ("ipc/fifo",)), tmp_path / "logs" / RUN

    @contextlib.contextmanager
    def with_parcel(_plain: LoadedLab, text: str, cached: str) -> Iterator[LoadedLab]:
        assert (text, cached) == ("the parcel", programs_of(RUN))
        yield whole

    def run_job(job: Job, _context: RunContext) -> Iterator[Record]:
        (logs / job.run / job.machine).mkdir(parents=True)
        yield record(status=status)

    monkeypatch.setattr(parcels, "with_parcel", with_parcel)
    monkeypatch.setattr(module, "run_job", run_job)
    wanted = unit(jobs=(Job(OWN, "small", "m", OWN, ("ipc/fifo",)),), work="the parcel")
    agent.units.ledger.begin(wanted.key, 1, RUN, "lab1")
    running = RunningUnit(wanted, "lab1", agent.units.ledger, agent.units.key)
    assert run_unit(running, LAB, logs, Slots()) == ""
    assert context == [whole]
    assert (logs / OWN).exists() is kept


def test_what_is_no_parcel_fails_its_unit_in_words(agent: Agent, tmp_path: Path) -> None:
    wanted = unit(work="%")
    agent.units.ledger.begin(wanted.key, 1, RUN, "lab1")
    running = RunningUnit(wanted, "lab1", agent.units.ledger, agent.units.key)
    assert "no parcel" in run_unit(running, LAB, tmp_path, Slots())


def test_a_host_says_what_its_machines_are(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    lacks = {"box": HostLacks("podman is not installed", hint="apt-get install podman")}

    class Context:
        shortfall = NOTHING
        packages: Future[dict[str, LabError]] = Future()

    Context.packages.set_result({"late": HostLacks("no space for QEMU")})

    @contextlib.contextmanager
    def lab_context(*_: object, **__: object) -> Iterator[Context]:
        yield Context()

    def identities_of(names: list[str], *_: object) -> dict[str, MachineIdentity]:
        if lack := lacks.get(names[0]):
            raise lack
        return {names[0]: MachineIdentity("micro-1 lab:0", "QEMU 7")}

    monkeypatch.setattr(identities_module, "lab_context", lab_context)
    monkeypatch.setattr(identities_module, "identities_of", identities_of)
    with agent.client() as client:
        there, lacking = client.identities(DIGEST, ["m", "box", "late"], soon())
    assert there == {"m": ("micro-1 lab:0", "QEMU 7")}
    assert lacking == {"box": "podman is not installed; apt-get install podman", "late": "no space for QEMU"}


def test_an_answer_about_machines_that_is_none_is_refused(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_module, "identities", lambda *_: {"m": {"template": "a\x1b[31m", "qemu": 7}})
    with agent.client() as client:
        there, _ = client.identities(DIGEST, ["m"], soon())
        assert there["m"][0].isprintable()
        assert there["m"][1] == ""
        monkeypatch.setattr(requests_module, "identities", lambda *_: ["m"])
        with pytest.raises(Exception, match="violates the protocol"):
            client.identities(DIGEST, ["m"], soon())
