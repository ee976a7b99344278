"""Connect to a UNIX socket on which QEMU listens or is about to listen."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from orchestrator.deadline import Deadline, poll


def connect(sock: socket.socket, path: Path, deadline: Deadline, what: str) -> None:
    """Connect, retrying while refused: a socket gets its name by bind(2), shortly before its owner
    listens on it. Raises OSError for other failures, TimedOut, Interrupted."""

    def connected() -> bool:
        try:
            sock.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True

    poll(connected, deadline, what)


def first_line(path: Path, deadline: Deadline) -> socket.socket | None:
    """Connect to a socket that accepts a single connection, ever; None for all but the first caller.

    Raises OSError, TimedOut, Interrupted.
    """
    taken = path.with_name(f"{path.name}-taken")
    try:
        os.link(path, taken)  # fails if it exists: of two concurrent callers, one wins
        path.unlink()
    except (FileNotFoundError, FileExistsError):
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connect(sock, taken, deadline.within(10), f"connecting to QEMU at {path.name}")
    except BaseException:
        sock.close()
        raise
    return sock
