"""Two ways to an agent: its UNIX socket on this host, and a command that relays to it, such as ``ssh``."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.host.process import Conversation
from orchestrator.host.ready import readable, writable

BLOCK = 65536


class Stream(Protocol):
    """Bytes in both directions. ``orchestrator.host.process.Conversation`` is one."""

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it. Raises TransportError, TimedOut, Interrupted."""

    def receive(self, deadline: Deadline) -> bytes:
        """Return what comes, b"" at the end. Raises TransportError, TimedOut, Interrupted."""

    def complaints(self) -> str:
        """Return what the other end has to say of its trouble; "" for nothing."""

    def end_input(self) -> None:
        """Say that nothing more is sent: whoever waits for something soon gets the end."""

    def close(self) -> None:
        """End it."""


class SocketStream:
    """A connected socket as a stream."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        line.setblocking(False)

    def send(self, data: bytes, deadline: Deadline) -> None:
        view = memoryview(data)
        while view:
            if not writable(self._line.fileno(), deadline.slice()):
                deadline.check("sending to the agent")
                continue
            try:
                view = view[self._line.send(view) :]
            except BlockingIOError:
                continue
            except OSError as problem:
                raise TransportError(f"the agent's socket: {problem.strerror or problem}") from None

    def receive(self, deadline: Deadline) -> bytes:
        while True:
            while not readable(self._line.fileno(), deadline.slice()):
                deadline.check("waiting for the agent")
            try:
                return self._line.recv(BLOCK)
            except BlockingIOError:
                continue
            except OSError as problem:
                raise TransportError(f"the agent's socket: {problem.strerror or problem}") from None

    def complaints(self) -> str:
        return ""

    def end_input(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)  # wakes who waits in poll(2)

    def close(self) -> None:
        self._line.close()


def over_socket(path: Path, seconds: float = 10.0) -> Stream:
    """Connect to an agent's socket at this path. Raises TransportError."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(seconds)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            line.connect(f"/proc/self/fd/{folder}/{path.name}")  # its own path may be too long
        finally:
            os.close(folder)
    except OSError as problem:
        line.close()
        raise TransportError(f"no agent answers at {path}: {problem.strerror or problem}") from None
    return SocketStream(line)


def over_command(argv: Sequence[str | Path]) -> Stream:
    """Start a command whose standard input and output lead to an agent. Raises Unavailable."""
    return Conversation(argv)
