"""A class whose service has died: what status says, and what starts it again. No machine is up."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from made_up_term import made_up_class

from orchestrator.classes import board, gateway
from orchestrator.classes.background import log_of
from orchestrator.classes.machines import Place, Standing
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import home_image
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.cli.classes import around, status
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.errors import Exit

DESK = Place("s00", "desk")


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    return made_up_class(tmp_path / "class", 2)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that were started in place of real ones."""
    names: list[str] = []
    monkeypatch.setattr(around, "start_service", lambda found: names.append(found.name))
    return names


def stand(monkeypatch: pytest.MonkeyPatch, *, alive: bool) -> None:
    machine = cast(Any, SimpleNamespace(coming=False, member=SimpleNamespace(since="")))
    stands = {DESK: Standing(DESK, machine, 2**20 * alive)}
    monkeypatch.setattr(around, "standing", lambda _: stands)
    monkeypatch.setattr(board, "standing", lambda _: stands)
    monkeypatch.setattr(gateway, "wanted", lambda _: True)


@pytest.mark.parametrize("action", ["extend", "message", "reset", "push", "collect", "run"])
def test_what_works_on_machines_starts_it_again(
    found: LoadedClass,
    started: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    action: str,
) -> None:
    stand(monkeypatch, alive=True)

    def work() -> Exit:
        assert started == []  # it would end who is given more time
        return Exit.FAILED

    assert around.around(action, found, ClassOptions(), work) is Exit.FAILED
    assert started == ["term"]
    assert "the service of term did not run: started again" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["plan", "handout", "status", "down", "serve", "up"])
def test_what_only_looks_does_not(
    found: LoadedClass, started: list[str], monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    stand(monkeypatch, alive=True)
    around.around(action, found, ClassOptions(), lambda: Exit.PASSED)
    assert started == []


def test_who_was_brought_up_otherwise_has_none(
    found: LoadedClass, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand(monkeypatch, alive=True)
    monkeypatch.setattr(gateway, "wanted", lambda _: False)
    assert not around.revive(found)
    assert started == []


def test_where_nothing_is_up_it_is_not_missed(
    found: LoadedClass,
    started: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand(monkeypatch, alive=False)
    around.around("collect", found, ClassOptions(), lambda: Exit.PASSED)
    assert started == []
    assert status.act(found, (), ClassOptions()) is Exit.PASSED
    assert "does not run" not in capsys.readouterr().out


@pytest.mark.parametrize("pid", [None, 4711])
@pytest.mark.parametrize("gate", [False, True])
def test_status_says_what_does_not_run(
    found: LoadedClass,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pid: int | None,
    gate: bool,
) -> None:
    stand(monkeypatch, alive=True)
    monkeypatch.setattr(status, "service", lambda _: pid)
    monkeypatch.setattr(gateway, "alive", lambda _: gate)
    code = Exit.PASSED if pid and gate else Exit.INFRASTRUCTURE
    assert status.act(found, (), ClassOptions()) is code
    said = capsys.readouterr().out
    assert ("the class's service does not run" in said) is (pid is None)
    assert ("the gateway does not run" in said) is not gate
    assert status.act(found, (), ClassOptions(form="json")) is code
    data = json.loads(capsys.readouterr().out)
    assert (data["service"], data["gateway"]) == (pid, gate)


def test_home_folders_that_an_examination_left_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    found = made_up_class(tmp_path / "exam", 3, "exam: true", "ends: 2020-06-01T18:00+08:00")
    for seat in ("s00", "s01"):
        image = home_image(found, seat, "desk")
        image.parent.mkdir(parents=True)
        image.touch()
    TimeLimits(found).extend(["s01"], 600)
    assert around.around("down", found, ClassOptions(), lambda: Exit.PASSED) is Exit.INFRASTRUCTURE
    said = capsys.readouterr().err
    assert "are kept: s00\n" in said
    assert f"{log_of(found)} names what was not taken" in said
    assert "class extend CLASS 10min --student s00`" in said
