"""What the controller adds to an exercise's observations, and that no program can say it instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, handle, loaded, record, subject

from orchestrator.deadline import Cancellation
from orchestrator.exercises.execute import ExerciseContext, run_exercise
from orchestrator.exercises.host_metrics import HostMetrics, waited_seconds
from orchestrator.host import process_table
from orchestrator.record import Record, Status


class MemoryDriver:
    """As much of a driver as is asked here."""

    def __init__(self, size: int) -> None:
        self.size = size

    def memory(self, _handle: object) -> int:
        return self.size


def run(driver: Any, printed: bytes = b"", **text: Any) -> Record:
    scale = HostMetrics(driver, handle(), 1.25)
    place = ExerciseContext(FakeTransport([answer(printed)]), SITE, subject(), "tag", "canary", metrics=scale)
    return run_exercise(loaded(Path("/e"), text), place, record(), Cancellation())


def test_an_exercise_that_asks_is_answered() -> None:
    checks = [{"that": "start_seconds", "measured": 1}, {"that": "memory_bytes", "equals": 4096}]
    done = run(MemoryDriver(4096), asks=["start", "memory"], checks=checks)
    assert done.observations == {"start_seconds": 1.25, "memory_bytes": 4096}
    assert done.status is Status.PASS


def test_one_that_does_not_ask_is_not() -> None:
    assert run(MemoryDriver(4096), b'{"a": 1}\n').observations == {"a": 1}


def test_a_program_cannot_say_what_only_the_controller_knows() -> None:
    printed = b'{"start_seconds": 0.001, "memory_bytes": 1}\n'
    assert run(MemoryDriver(4096), printed, asks=["start"]).observations == {"start_seconds": 1.25}
    assert "only the controller observes" in run(MemoryDriver(4096), printed).reason


@pytest.mark.parametrize(
    ("driver", "said"),
    [(object(), "not reported by the driver qemu"), (MemoryDriver(0), "permission denied")],
)
def test_what_is_not_known_is_said_in_words(driver: Any, said: str) -> None:
    assert said in run(driver, asks=["memory"]).observations["memory_bytes"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("some avg10=99.89 avg60=1.00 avg300=0.00 total=1449325225\nfull avg10=0.00 total=7\n", 1449.325225),
        ("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", 0.0),
        ("", None),
        ("some avg10=0.00\n", None),
    ],
)
def test_how_long_somebody_waited_is_the_kernels_word(
    tmp_path: Path, text: str, seconds: float | None
) -> None:
    (tmp_path / "cpu").write_text(text)
    assert waited_seconds(tmp_path / "cpu") == seconds
    assert waited_seconds(tmp_path / "missing") is None


def test_contention_is_counted_while_the_exercise_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.exercises.host_metrics.PRESSURE", tmp_path / "cpu")
    assert "unknown" in run(MemoryDriver(1), asks=["contention"]).observations["contention_percent"]
    (tmp_path / "cpu").write_text("some total=5000000\n")
    answer_ = HostMetrics(MemoryDriver(1), handle(), 1.0).asked(["contention"])  # type: ignore[arg-type]
    assert answer_() == {"contention_percent": 0.0}
    (tmp_path / "cpu").write_text("some total=5000000000\n")
    assert answer_() == {"contention_percent": 100.0}


def test_a_process_takes_memory_and_one_that_is_gone_takes_none() -> None:
    assert process_table.memory(os.getpid()) > 2**20
    child = os.fork()  # noqa: TID251 - nobody is to collect it
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert process_table.memory(child) == 0
    assert process_table.within(child) == set()


def test_a_number_that_went_to_another_process_is_not_taken_for_a_container() -> None:
    assert process_table.within(os.getpid()) == set()
