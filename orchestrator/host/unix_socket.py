"""Connecting to a UNIX socket that QEMU listens at, or is about to."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from orchestrator.deadline import Deadline, poll


def connect(sock: socket.socket, path: Path, deadline: Deadline, what: str) -> None:
    """Connect, however often that is refused: a socket has its name, bind(2), a moment before
    anybody listens at it. Raises OSError for any other trouble, TimedOut, Interrupted."""

    def connected() -> bool:
        try:
            sock.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True

    poll(connected, deadline, what)


def first_line(path: Path, deadline: Deadline) -> socket.socket | None:
    """A connection to a socket that serves one, ever: None for all but the first who asks.

    Raises OSError, TimedOut, Interrupted.
    """
    taken = path.with_name(f"{path.name}-taken")
    try:
        os.link(path, taken)  # fails if it exists: of two that ask at once, one has it
        path.unlink()
    except (FileNotFoundError, FileExistsError):
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connect(sock, taken, deadline.within(10), f"QEMU listening at {path.name}")
    except BaseException:
        sock.close()
        raise
    return sock
