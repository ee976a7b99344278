"""A unit's jobs on its host: with the limits of the whole host, and an end whatever happens."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from agents import RUN, Agent, agent_in, kinds, record, unit
from factories import handle, lab
from hypothesis import given, settings
from hypothesis import strategies as st
from machines_made_up import NotedDriver, lab_context_of

from orchestrator import drivers
from orchestrator.cluster.agent import run_unit as module
from orchestrator.cluster.agent import units as units_module
from orchestrator.cluster.agent.run_unit import Slots, run_unit
from orchestrator.cluster.agent.running_unit import MOST_RECORD, RunningUnit, fitted
from orchestrator.errors import HostLacks, LabError, TransportError, Unavailable
from orchestrator.labfile.plan import Job
from orchestrator.machines.journal import Journal
from orchestrator.record import CheckResult, Record, Status
from orchestrator.run.context import RunContext

LAB = lab({"m": {"driver": "process"}, "n": {"driver": "qemu", "arch": "arm64"}})


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    (tmp_path / "agent").mkdir()
    return agent_in(tmp_path / "agent")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    driver = NotedDriver(Journal(tmp_path / "machines.db"))
    machines = lab_context_of(LAB, driver, tmp_path, monkeypatch)
    found = RunContext(machines, "its own name", cast(Any, None), cast(Any, None))

    @contextlib.contextmanager
    def run_context(*_: object, **__: object) -> Iterator[RunContext]:
        yield found
        found.cancellation.cancel()

    monkeypatch.setattr(module, "run_context", run_context)
    monkeypatch.setattr(module, "Journal", lambda: driver.journal)
    return found


def _running(agent: Agent, *machines: str) -> RunningUnit:
    jobs = tuple(Job(RUN, "small", name, "", ("ipc/pipe", "gone")) for name in machines or ("m",))
    wanted = unit(jobs=jobs)
    agent.units.ledger.begin(wanted.key, 1, RUN, "lab1")
    return RunningUnit(wanted, "lab1", agent.units.ledger, agent.units.key)


def _run(running: RunningUnit, slots: Slots | None = None) -> str:
    return run_unit(running, LAB, Path("/logs"), slots or Slots())


def _jobs_do(patch: pytest.MonkeyPatch, work: Callable[[Job, RunContext], Iterator[Record]]) -> None:
    patch.setattr(module, "run_job", work)


def test_jobs_run_with_the_hosts_limits_and_name(
    agent: Agent, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunContext] = []

    def work(job: Job, own: RunContext) -> Iterator[Record]:
        seen.append(own)
        yield record(job.machine)

    _jobs_do(monkeypatch, work)
    running, slots = _running(agent, "m"), Slots()
    assert _run(running, slots) == ""
    (own,) = seen
    assert own.host == "lab1"
    assert own.machines.make_slots is slots.makes
    assert (own.machines.machines.boot_slots, own.machines.machines.clone_slots) == (
        slots.boots,
        slots.clones,
    )
    assert own.cancellation is context.cancellation
    lines = agent.units.ledger.lines(running.unit.key, 1)
    assert kinds(lines) == [(0, "record", "m")]


def test_what_a_host_lacks_skips_its_machines(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise HostLacks("this host lacks QEMU", hint="run: apt-get install qemu")

    monkeypatch.setattr(module, "run_context", lacks)
    running = _running(agent, "m", "n")
    assert _run(running) == ""
    found = [Record.from_json(line.body) for line in agent.units.ledger.lines(running.unit.key, 1)]
    assert [(one.machine, one.exercise, one.arch, one.status) for one in found] == [
        ("m", "ipc/pipe", found[0].arch, Status.SKIP),
        ("n", "ipc/pipe", "arm64", Status.SKIP),
    ]
    assert {one.reason for one in found} == {"this host lacks QEMU; run: apt-get install qemu"}
    assert {one.host for one in found} == {"lab1"}


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (Unavailable("the cache is full", hint="free space"), "the cache is full\n  hint: free space"),
        (TransportError("gone"), "gone"),
        (
            PermissionError(13, "Permission denied", "/x"),
            "/x: Permission denied\n  hint: see `isolab doctor`",
        ),
    ],
)
def test_why_it_did_not_get_through_is_its_end(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, failure: Exception, words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(module, "run_context", fail)
    assert _run(_running(agent)) == words


def test_a_unit_told_to_stop_before_it_begins_starts_nothing(
    agent: Agent, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    _jobs_do(monkeypatch, lambda *_: pytest.fail("a job was begun"))
    running = _running(agent)
    running.stop("cancelled")
    running.stop("its lease ended")
    assert _run(running) == "cancelled"


def test_a_machine_that_the_lab_does_not_have_is_named(agent: Agent) -> None:
    assert (
        _run(_running(agent, "m", "elsewhere")) == "the lab 'small' of this bundle has no machine 'elsewhere'"
    )


def test_words_are_printable_and_bounded(agent: Agent) -> None:
    running = _running(agent)
    running.say("\x1b[2J" + "x" * 10_000)
    running.end("y" * 10_000)
    running.say("of a thread that is late")
    word, end = agent.units.ledger.lines(running.unit.key, 1)
    assert word.body.startswith("\\x1b[2J")
    assert max(len(word.body), len(end.body)) <= 2000


def test_a_record_that_is_too_long_says_so() -> None:
    small = record("x" * 1000)
    assert fitted(small) == small
    long = record(stdout="\x00" * MOST_RECORD, stderr="kept")
    assert (fitted(long).cut, fitted(long).stderr, fitted(long).status) == (True, "kept", Status.PASS)
    check = CheckResult("answer", True, "x" * MOST_RECORD, "42")
    huge = fitted(record(checks=(check,)))
    assert huge.status is Status.ERROR
    assert "too large to be sent" in huge.reason


@settings(max_examples=20)
@given(st.text(max_size=50), st.integers(0, 2**22), st.integers(0, 2**22))
def test_every_record_fits_into_a_message(text: str, first: int, second: int) -> None:
    found = fitted(record(text, stdout=text * (first // 50), observations={"a": text * (second // 50)}))
    assert len(json.dumps(found.to_json())) <= MOST_RECORD


def test_an_unknown_failure_is_not_swallowed(
    agent: Agent, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_job: Job, _own: RunContext) -> Iterator[Record]:
        raise ZeroDivisionError
        yield

    _jobs_do(monkeypatch, work)
    with pytest.raises(ZeroDivisionError):
        _run(_running(agent))


def test_the_successor_sweeps_what_could_not_be_removed(
    agent: Agent, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its own units only, and only when nothing of the run is running."""
    journal = context.machines.machines.journal
    stubborn = [True]

    def refuse(_handle: object) -> None:
        if stubborn[0]:
            raise LabError("cannot be ended")

    driver = NotedDriver(journal, before_down=refuse)
    monkeypatch.setattr(drivers, "load", lambda _: driver)
    monkeypatch.setattr(units_module, "Journal", lambda: journal)
    ours, others = handle("m", run=RUN), handle("m", run="20260102-030405-ffffff")
    journal.intend(ours)
    journal.intend(others)
    running = _running(agent)
    running.end("")
    agent.units.sweep()
    agent.units.sweep()
    assert sum("cannot be ended" in words for words in agent.said) == 1
    stubborn[0] = False
    agent.units.sweep()
    assert [entry.handle for entry in journal.entries()] == [others]
    assert "removed what could not be removed before" in agent.said[-1]
