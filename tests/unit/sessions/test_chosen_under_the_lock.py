"""What `down` and `reset` work on is chosen when they hold the session, not before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from factories import handle, order
from machines_made_up import NotedDriver

from orchestrator import drivers
from orchestrator.cli import sessions as verbs
from orchestrator.deadline import Cancellation
from orchestrator.errors import Exit, TeardownError
from orchestrator.machines.journal import Journal, member_of
from orchestrator.progress import SilentProgress
from orchestrator.sessions import lifecycle
from orchestrator.sessions.lookup import session_machines

OLD, NEW = "20260102-030405-aaaa", "20260102-030406-bbbb"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NotedDriver:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    noted = NotedDriver(Journal())
    monkeypatch.setattr(drivers, "load", lambda _: noted)
    return noted


def enter(machine: str, run: str, *, kept: bool) -> None:
    """Journal a machine of the session ``one``."""
    about = handle(machine, run=run)
    wanted = replace(order("amd64"), name=machine, logs=Path("/nowhere") / machine)
    Journal().intend(about, member_of("one", "/labs/one/lab.yaml", wanted))
    if kept:
        Journal().keep([about])


def held_after(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    """Let another isolab finish this while we wait for the session."""

    @contextlib.contextmanager
    def held(_session: str, _progress: object) -> Iterator[None]:
        meanwhile()
        yield

    monkeypatch.setattr(verbs, "held", held)


def finish_reset() -> None:
    """End another isolab's reset of the machine that is coming up."""
    Journal().keep([handle("vm", run=NEW)])


@pytest.mark.parametrize(("names", "everything"), [((), True), (("vm",), False), (("one",), False)])
def test_a_machine_that_is_being_reset_is_taken_down(
    driver: NotedDriver, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], everything: bool
) -> None:
    enter("vm", NEW, kept=False)
    held_after(monkeypatch, finish_reset)
    assert verbs.down(names, everything, "text") is Exit.PASSED
    assert driver.downs == ["vm"]
    assert Journal().entries() == []


def test_a_machine_that_was_replaced_meanwhile_is_taken_down_as_it_is_now(
    driver: NotedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter("vm", OLD, kept=True)

    def reset() -> None:
        Journal().forget(handle("vm", run=OLD))
        enter("vm", NEW, kept=True)

    held_after(monkeypatch, reset)
    assert verbs.down((), True, "text") is Exit.PASSED
    assert Journal().entries() == []


def test_a_machine_that_another_took_down_is_told(
    driver: NotedDriver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter("vm", OLD, kept=True)
    held_after(monkeypatch, lambda: Journal().forget(handle("vm", run=OLD)))
    assert verbs.down(("vm",), False, "text") is Exit.PASSED
    assert (driver.downs, capsys.readouterr().out) == ([], "already taken down by another isolab\n")


def test_reset_says_that_another_took_it_down(
    driver: NotedDriver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter("vm", OLD, kept=True)
    held_after(monkeypatch, lambda: Journal().forget(handle("vm", run=OLD)))
    assert verbs.reset(("vm",), "text") is Exit.INFRASTRUCTURE
    assert "one/vm was taken down by another isolab" in capsys.readouterr().err
    assert driver.ups == []


def test_a_machine_that_is_being_reset_is_in_the_journal_all_the_time(
    driver: NotedDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    enter("vm", OLD, kept=True)
    monkeypatch.setattr(lifecycle, "_order_again", lambda machine, _: machine.member.order)
    seen = []

    def note(_handle: object) -> None:
        seen.append([(found.machine, found.coming) for found in session_machines()])

    driver.before_down = driver.before_up = note
    logs = tmp_path / "logs"
    wanted = replace(order("amd64"), name="vm", run=OLD, logs=logs, scratch=tmp_path / OLD / "vm")
    (machine,) = session_machines()
    member = replace(machine.member, order=wanted, logs=logs)
    lifecycle.renew(replace(machine, member=member), SilentProgress(), Cancellation())
    assert seen == [[("vm", True)], [("vm", True)]]
    assert [(found.machine, found.coming) for found in session_machines()] == [("vm", False)]


def test_a_machine_that_cannot_be_taken_down_for_its_reset_stays_its_users(
    driver: NotedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter("vm", OLD, kept=True)
    monkeypatch.setattr(lifecycle, "_order_again", lambda machine, _: machine.member.order)

    def refuse(_handle: object) -> None:
        raise TeardownError("it does not go")

    driver.before_down = refuse
    with pytest.raises(TeardownError):
        lifecycle.renew(session_machines()[0], SilentProgress(), Cancellation())
    assert [(found.machine, found.coming) for found in session_machines()] == [("vm", False)]
