"""Connecting to a UNIX socket that QEMU is about to listen at."""

from __future__ import annotations

import socket
from pathlib import Path

from orchestrator.deadline import Deadline, poll


def connect(plug: socket.socket, path: Path, deadline: Deadline, what: str) -> None:
    """Connect, however often that is refused: a socket has its name, bind(2), a moment before
    anybody listens at it. Raises OSError for any other trouble, TimedOut, Interrupted."""

    def connected() -> bool:
        try:
            plug.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True

    poll(connected, deadline, what)
