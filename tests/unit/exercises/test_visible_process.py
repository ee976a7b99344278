"""The canary is planted once, when first asked for, and gone when closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.exercises.canaries.visible_process import Canary
from orchestrator.host import process

NAME = "isolab-canary-20260102-030405-0a0b"


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Path, str]]:
    """What runs now: arguments, program and the thread it will die with."""
    processes: list[tuple[list[str], Path, str]] = []

    @contextmanager
    def running(argv: Sequence[str], *, executable: Path) -> Iterator[int]:
        about = (list(argv), executable, threading.current_thread().name)
        processes.append(about)
        yield 1
        processes.remove(about)

    monkeypatch.setattr(process, "running", running)
    return processes


def test_nothing_lives_before_it_is_asked_for(alive: list[object]) -> None:
    canary = Canary(NAME, lambda: Path("/image/run"))
    assert alive == []
    canary.close()


def test_it_is_the_runner_under_the_runs_own_name(alive: list[tuple[list[str], Path, str]]) -> None:
    canary = Canary(NAME, lambda: Path("/image/run"))
    assert canary.plant() == NAME
    assert alive == [([NAME, "--canary"], Path("/image/run"), "canary")]
    canary.close()
    assert alive == []


def test_asked_for_by_many_it_is_planted_once(alive: list[object]) -> None:
    canary = Canary(NAME, lambda: Path("/image/run"))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: canary.plant(), range(8))) == {NAME}
    assert len(alive) == 1
    canary.close()
    canary.close()
    assert alive == []
