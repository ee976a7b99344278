"""Client for a running QEMU's monitor, over its QMP socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.errors import BootError, TimedOut
from orchestrator.host.unix_socket import connect

REFUSED_SECONDS = 5.0


def human_command(path: Path, line: str, deadline: Deadline) -> str:
    """Return the human monitor's answer to a line. Raises BootError."""
    answer = execute(path, "human-monitor-command", {"command-line": line}, deadline)
    return str(answer)


class Monitor:
    """An open QMP session."""

    def __init__(self, stream: BufferedRWPair) -> None:
        self._stream = stream

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Execute one command. Raises BootError when QEMU rejects it."""
        return _ask(self._stream, command, arguments or {})


@contextmanager
def monitor(path: Path, deadline: Deadline) -> Iterator[Monitor]:
    """Open a QMP session for a ``with`` block. Raises BootError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(max(0.1, deadline.within(30).remaining()))
        _connect(sock, path, deadline)
        stream = sock.makefile("rwb")
        _read(stream)  # the greeting
        _ask(stream, "qmp_capabilities", {})
        yield Monitor(stream)


def _connect(sock: socket.socket, path: Path, deadline: Deadline) -> None:
    try:
        connect(sock, path, deadline.within(REFUSED_SECONDS), f"waiting for QEMU to listen at {path.name}")
    except OSError as problem:
        raise BootError(f"QEMU does not answer at {path.name}: {problem}") from None
    except TimedOut:
        raise BootError(f"QEMU does not answer at {path.name}: nothing is listening there") from None


def execute(path: Path, command: str, arguments: dict[str, Any], deadline: Deadline) -> Any:
    """Execute one QMP command in its own session. Raises BootError."""
    with monitor(path, deadline) as session:
        return session.execute(command, arguments)


def _ask(stream: BufferedRWPair, command: str, arguments: dict[str, Any]) -> Any:
    try:
        stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        stream.flush()
    except OSError as problem:
        raise BootError(f"QEMU did not accept a command: {problem}") from None
    while True:
        answer = _read(stream)
        if "error" in answer:
            raise BootError(f"QEMU rejected {command}: {answer['error']}")
        if "return" in answer:
            return answer["return"]


def _read(stream: BufferedRWPair) -> dict[str, Any]:
    """Read the next message: an answer, an event or the greeting."""
    try:
        line = stream.readline()
        message = json.loads(line) if line else None
    except (OSError, ValueError) as problem:
        raise BootError(f"QEMU does not answer: {problem}") from None
    if not isinstance(message, dict):
        raise BootError(
            "QEMU closed its monitor" if message is None else "unexpected output from QEMU's monitor"
        )
    return message
