"""What the supervisor says of a cluster, and its pauses."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cluster.model import HostFacts
from orchestrator.cluster.paths import STATUS
from orchestrator.cluster.supervisor.pauses import LONGEST, STEADY_SECONDS, Pauses
from orchestrator.cluster.supervisor.state_file import Board, ClusterStatus, State, status

FACTS = HostFacts("a", "1", "3.11", "amd64", 2, 2**30, False, 1.0, "ab" * 32, emulates=("arm64",))


def test_pauses_grow_and_begin_anew_after_something_was_up_for_a_while() -> None:
    pauses = Pauses()
    found = [pauses.next(0.0) for _ in range(9)]
    assert found == [0.5, 1, 2, 4, 8, 16, LONGEST, LONGEST, LONGEST]
    assert pauses.next(STEADY_SECONDS) == 0.5
    assert [pauses.next(1.0) for _ in range(2)] == [0.5, 1]


def test_what_is_on_the_board_is_in_the_file(tmp_path: Path) -> None:
    board = Board(tmp_path, ("a", "b"))
    assert not status(tmp_path).settled
    board.scheduler("tls://127.0.0.1:1")
    board.host("a", lambda old: replace(old, state=State.UP, starts=1, facts=FACTS))
    board.host("b", lambda old: replace(old, state=State.AWAY, trouble="b: no route to host"))
    found = status(tmp_path)
    assert found == board.status
    assert found.settled
    assert found.hosts["a"].facts == FACTS
    assert found.words.splitlines() == [
        "scheduler: tls://127.0.0.1:1",
        "b takes no units: no route to host",
    ]
    assert json.loads(json.dumps(found.to_data()))["runs"] is True


def test_a_scheduler_that_is_gone_is_told_with_the_reason(tmp_path: Path) -> None:
    board = Board(tmp_path, ())
    board.scheduler("", trouble="the scheduler ended")
    assert status(tmp_path).words == "scheduler: none: the scheduler ended"
    assert status(tmp_path).settled


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"process": 1}', '{"hosts": {"a": {"x": 1}}}'])
def test_a_file_that_cannot_be_read_means_that_nothing_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / STATUS).write_text(text)
    assert status(tmp_path) == ClusterStatus()


def test_a_file_of_a_process_that_is_gone_means_that_nothing_runs(tmp_path: Path) -> None:
    Board(tmp_path, ())
    data = json.loads((tmp_path / STATUS).read_text())
    assert data["process"] == os.getpid()
    (tmp_path / STATUS).write_text(json.dumps({**data, "process": 2**22 + 1}))
    assert not status(tmp_path).runs
    assert "cluster up" in status(tmp_path).words
