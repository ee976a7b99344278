"""The life of machines: journalled before they are, undone in one place, handed over at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, lab, order
from machines_made_up import NotedDriver, context_of, lab_context_of

from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import BootError, TeardownError, TransportError
from orchestrator.labfile.plan import jobs
from orchestrator.machines.journal import Journal, member_of
from orchestrator.machines.lifecycle import running_machine, start
from orchestrator.machines.provision import provisioned
from orchestrator.sessions import lifecycle as sessions
from orchestrator.sessions.lookup import session_machines

LAB = lab({name: {"driver": "process"} for name in ("a", "b", "c")})


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    return Journal()


@pytest.fixture
def driver(journal: Journal) -> NotedDriver:
    return NotedDriver(journal)


def wanted(folder: Path) -> Order:
    return replace(order(), name="vm", scratch=folder / RUN / "vm", logs=folder / "logs" / "vm")


def fails(name: str, problem: BaseException) -> Any:
    def check(about: Handle) -> None:
        if about.machine == name:
            raise problem

    return check


class TestOne:
    def test_it_is_known_what_it_is_and_nothing_is_left(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path
    ) -> None:
        with running_machine(wanted(tmp_path), driver, context_of(journal)) as machine:
            assert (machine.facts.kernel, machine.facts.slowness) == ("6.12.1", 2.0)
            assert machine.handle.data == {"start": "cold"}
            assert [entry.owner_alive for entry in journal.entries()] == [True]
        assert (driver.downs, journal.entries()) == (["vm"], [])
        logs = tmp_path / "logs" / "vm"
        assert list(json.loads((logs / "timings.json").read_text())) == [
            "up",
            "connect",
            "facts",
            "use",
            "down",
        ]
        assert json.loads((logs / "facts.json").read_text())["page_size"] == 4096

    def test_one_that_does_not_come_up_is_removed_and_forgotten(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path
    ) -> None:
        driver.before_up = fails("vm", BootError("no kernel"))
        with pytest.raises(BootError), running_machine(wanted(tmp_path), driver, context_of(journal)):
            pytest.fail("it came up")
        assert (driver.downs, journal.entries()) == (["vm"], [])

    def test_one_that_talks_nonsense_is_removed_and_forgotten(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path
    ) -> None:
        driver.facts = b"[]"
        with pytest.raises(TransportError), running_machine(wanted(tmp_path), driver, context_of(journal)):
            pytest.fail("it came up")
        assert (driver.downs, journal.entries()) == (["vm"], [])

    def test_one_that_cannot_be_removed_stays_in_the_journal(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path
    ) -> None:
        driver.before_down = fails("vm", TeardownError("it clings"))
        with pytest.raises(TeardownError), running_machine(wanted(tmp_path), driver, context_of(journal)):
            pass
        assert [entry.handle.machine for entry in journal.entries()] == ["vm"]

    def test_one_that_is_wanted_longer_outlives_its_maker(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path
    ) -> None:
        with ExitStack() as undo:
            place = member_of("one", "/labs/one/lab.yaml", wanted(tmp_path))
            machine = start(wanted(tmp_path), driver, context_of(journal), undo, place)
            journal.keep([machine.handle])
            undo.pop_all()
        assert driver.downs == []
        (entry,) = journal.entries()
        assert (entry.kept, entry.membership, entry.handle.data) == (True, place, {"start": "cold"})


def test_a_machine_of_a_lab_is_made_as_its_lab_says(
    driver: NotedDriver, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = lab_context_of(LAB, driver, tmp_path, monkeypatch)
    job = jobs(LAB, RUN)[1]
    with provisioned(job, context) as machine:
        assert machine.order.logs == tmp_path / "logs" / "b"
        assert machine.order.scratch == tmp_path / "scratch" / RUN / "b"
        assert [entry.membership for entry in journal.entries()] == [None]
    assert journal.entries() == []


class TestSession:
    def test_those_that_come_up_are_handed_over_and_the_others_are_told(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driver.before_up = fails("b", BootError("no kernel"))
        context = lab_context_of(LAB, driver, tmp_path, monkeypatch)
        handles, failures = sessions._start_all(jobs(LAB, RUN), "one", context)
        assert [handle.machine for handle in handles] == ["a", "c"]
        assert [(failure.machine, failure.problem.message) for failure in failures] == [("b", "no kernel")]
        assert driver.downs == ["b"]
        assert [(machine.name, machine.coming) for machine in session_machines()] == [
            ("one/a", False),
            ("one/c", False),
        ]

    def test_an_interruption_undoes_also_those_that_came_up_after_it(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        interrupted, up = threading.Event(), threading.Event()

        def wait_for_the_others(about: Handle) -> None:
            if about.machine == "c":
                up.set()
                assert interrupted.wait(20)

        def ctrl_c(futures: Any, timeout: float | None = None) -> Any:
            if timeout is None:
                return wait(futures)
            assert up.wait(20)
            interrupted.set()
            raise KeyboardInterrupt

        driver.before_up = wait_for_the_others
        monkeypatch.setattr(sessions, "wait", ctrl_c)
        context = lab_context_of(LAB, driver, tmp_path, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            sessions._start_all(jobs(LAB, RUN), "one", context)
        assert context.cancellation.cancelled
        assert sorted(driver.downs) == sorted(driver.ups) == ["a", "b", "c"]
        assert journal.entries() == []

    def test_none_is_handed_over_when_not_all_can_be_written_down(
        self, driver: NotedDriver, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_self: Journal, _handles: Sequence[Handle]) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(Journal, "keep", full)
        context = lab_context_of(LAB, driver, tmp_path, monkeypatch)
        with pytest.raises(OSError, match="disk full"):
            sessions._start_all(jobs(LAB, RUN), "one", context)
        assert sorted(driver.downs) == ["a", "b", "c"]
        assert journal.entries() == []
