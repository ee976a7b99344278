"""A worker whose agent was killed waits for the one in its place."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.cluster.agent.streams import Stream, over_socket
from orchestrator.cluster.scheduling import work
from orchestrator.errors import TransportError


def test_an_agent_that_is_back_soon_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    with socket.socket(socket.AF_UNIX) as listening:

        def connect(path: Path) -> Stream:
            looks.append(path)
            if len(looks) == 3:
                listening.bind(str(path))
                listening.listen()
            return over_socket(path)

        monkeypatch.setattr(work, "over_socket", connect)
        monkeypatch.setattr(work, "LOOK_SECONDS", 0.0)
        work._agent(tmp_path / "agent.sock").close()
    assert len(looks) == 3


def test_an_agent_that_does_not_come_back_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "BACK_SECONDS", 0.0)
    with pytest.raises(TransportError, match="no agent answers at"):
        work._agent(tmp_path / "agent.sock")
