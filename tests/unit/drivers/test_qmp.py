"""Questions to QEMU's monitor, answered here by a server that may misbehave."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.deadline import Deadline
from orchestrator.drivers.qemu.qmp import execute, human_command
from orchestrator.drivers.qemu.qmp import monitor as session
from orchestrator.errors import BootError

GREETING: dict[str, Any] = {"QMP": {"version": {}, "capabilities": []}}
EVENT = {"event": "RESUME", "timestamp": {"seconds": 0, "microseconds": 0}}
DONE: dict[str, Any] = {"return": {}}


@contextlib.contextmanager
def monitor(path: Path, greeting: object, *answers: Sequence[object]) -> Iterator[list[dict[str, Any]]]:
    """A monitor that greets, then answers each question with some lines; gives the questions."""
    asked: list[dict[str, Any]] = []

    def lines(values: Sequence[object]) -> bytes:
        return b"".join(v if isinstance(v, bytes) else json.dumps(v).encode() + b"\r\n" for v in values)

    def serve() -> None:
        with contextlib.suppress(OSError), server.accept()[0] as sock, sock.makefile("rb") as questions:
            sock.sendall(lines([greeting]))
            for answer in answers:
                asked.append(json.loads(questions.readline()))
                sock.sendall(lines(answer))

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            thread.join()


def ask(path: Path) -> Any:
    return execute(path, "query-status", {"a": 1}, Deadline.after(20))


def test_a_question_and_its_answer_among_events(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with monitor(path, GREETING, [DONE], [EVENT, EVENT, {"return": {"status": "running"}}]) as asked:
        assert ask(path) == {"status": "running"}
    assert [question["execute"] for question in asked] == ["qmp_capabilities", "query-status"]
    assert asked[1]["arguments"] == {"a": 1}


def test_the_human_monitor_answers_in_text(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with monitor(path, GREETING, [DONE], [{"return": "VLAN 0\r\n"}]) as asked:
        assert human_command(path, "info usernet", Deadline.after(20)) == "VLAN 0\r\n"
    assert asked[1]["arguments"] == {"command-line": "info usernet"}


def test_a_refusal_is_told_in_qemus_words(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    refusal = {"error": {"class": "GenericError", "desc": "not like this"}}
    with (
        monitor(path, GREETING, [DONE], [refusal]),
        pytest.raises(BootError, match=r"rejected query-status: .*not like this"),
    ):
        ask(path)


@pytest.mark.parametrize("line", [b"", b"not json\n", b"7\n", b'{"error": "odd"}\n', b"\xff\n"])
def test_whatever_else_it_says_is_a_boot_error(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "qmp"
    with monitor(path, GREETING, [DONE], [line]), pytest.raises(BootError, match="QEMU"):
        ask(path)


def test_a_monitor_that_hangs_up_at_once(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    with monitor(path, b""), pytest.raises(BootError, match="QEMU"):
        ask(path)


def test_no_monitor_at_all(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="does not answer at none"):
        ask(tmp_path / "none")


def test_one_whose_qemu_has_ended_is_dead(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "qmp.sock"))
    with pytest.raises(BootError, match="the machine is dead"):
        execute(tmp_path / "qmp.sock", "query-status", {}, Deadline.after(0.2))


def test_a_greeting_tells_the_version(tmp_path: Path) -> None:
    greeting = {"QMP": {"version": {"qemu": {"major": 11, "minor": 1, "micro": 3}}, "capabilities": []}}
    with monitor(tmp_path / "new", greeting, [DONE]), session(tmp_path / "new", Deadline.after(20)) as qmp:
        assert qmp.version == (11, 1)
    with monitor(tmp_path / "odd", GREETING, [DONE]), session(tmp_path / "odd", Deadline.after(20)) as qmp:
        assert qmp.version == (0, 0)
