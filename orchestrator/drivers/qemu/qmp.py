"""Client for a running QEMU's monitor, over its QMP socket."""

from __future__ import annotations

import contextlib
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
    """An open QMP session; ``version`` is QEMU's, such as (8, 2)."""

    def __init__(self, sock: socket.socket, stream: BufferedRWPair, version: tuple[int, int]) -> None:
        self._sock = sock
        self._stream = stream
        self.version = version

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Execute one command. Raises BootError when QEMU rejects it."""
        return _ask(self._stream, command, arguments or {})

    def pass_file(self, command: str, arguments: dict[str, Any], descriptor: int) -> Any:
        """Execute a command about an open file, which QEMU receives with it (SCM_RIGHTS, unix(7)).
        Raises BootError."""
        try:
            socket.send_fds(self._sock, [_message(command, arguments)], [descriptor])
        except OSError as problem:
            raise BootError(f"QEMU did not accept a command: {problem}") from None
        return _answer(self._stream, command)


@contextmanager
def monitor(path: Path, deadline: Deadline) -> Iterator[Monitor]:
    """Open a QMP session for a ``with`` block. Raises BootError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(max(0.1, deadline.within(30).remaining()))
        _connect(sock, path, deadline)
        stream = sock.makefile("rwb")
        version = _version(_read(stream))
        _ask(stream, "qmp_capabilities", {})
        try:
            yield Monitor(sock, stream, version)
        finally:
            # The stream would keep it open: QEMU has only one session at a time.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _version(greeting: dict[str, Any]) -> tuple[int, int]:
    """QEMU's version; (0, 0) for a greeting that does not tell."""
    try:
        about = greeting["QMP"]["version"]["qemu"]
        return int(about["major"]), int(about["minor"])
    except (KeyError, TypeError, ValueError):
        return 0, 0


def _connect(sock: socket.socket, path: Path, deadline: Deadline) -> None:
    try:
        connect(sock, path, deadline.within(REFUSED_SECONDS), f"waiting for QEMU to listen at {path.name}")
    except OSError as problem:
        raise BootError(f"QEMU does not answer at {path.name}: {problem}") from None
    except TimedOut:
        raise BootError(f"QEMU does not answer at {path.name}: the machine is dead") from None


def execute(path: Path, command: str, arguments: dict[str, Any], deadline: Deadline) -> Any:
    """Execute one QMP command in its own session. Raises BootError."""
    with monitor(path, deadline) as session:
        return session.execute(command, arguments)


def _ask(stream: BufferedRWPair, command: str, arguments: dict[str, Any]) -> Any:
    try:
        stream.write(_message(command, arguments))
        stream.flush()
    except OSError as problem:
        raise BootError(f"QEMU did not accept a command: {problem}") from None
    return _answer(stream, command)


def _message(command: str, arguments: dict[str, Any]) -> bytes:
    return json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"


def _answer(stream: BufferedRWPair, command: str) -> Any:
    """Return the answer to a command, ignoring the events before it."""
    while True:
        answer = _read(stream)
        if "error" in answer:
            raise BootError(f"QEMU rejected {command}: {_reason(answer['error'])}")
        if "return" in answer:
            return answer["return"]


def _reason(error: object) -> str:
    return str(error.get("desc", error) if isinstance(error, dict) else error)


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
