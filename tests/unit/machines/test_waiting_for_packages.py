"""Machines say that they wait for the host's packages only if they do."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.deadline import Cancellation
from orchestrator.errors import Unavailable
from orchestrator.machines import provision


def context(packages: Future[None], told: list[str]) -> Any:
    def doing(who: str, what: str) -> None:
        told.append(f"{who}: {what}")
        packages.set_result(None)

    progress = SimpleNamespace(doing=doing)
    return SimpleNamespace(packages=packages, progress=progress, cancellation=Cancellation())


def test_nothing_is_said_when_nothing_is_missing() -> None:
    packages: Future[None] = Future()
    packages.set_result(None)
    told: list[str] = []
    provision._await_packages(context(packages, told), "vm")
    assert told == []


def test_a_machine_that_waits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "SOON", 0.01)
    told: list[str] = []
    provision._await_packages(context(Future(), told), "vm")
    assert told == ["vm: waiting for system packages"]


def test_packages_that_cannot_be_installed_are_the_machines_error() -> None:
    packages: Future[None] = Future()
    packages.set_exception(Unavailable("this host lacks x"))
    with pytest.raises(Unavailable, match="this host lacks x"):
        provision._await_packages(context(packages, []), "vm")
