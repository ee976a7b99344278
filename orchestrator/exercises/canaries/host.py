"""Canaries of the host as a whole: its name, its kernel log, its process list."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from orchestrator.exercises.canaries.base import CanaryContext
from orchestrator.host import process_table

_LOG = "/dev/kmsg"
_RECORD = 8192
_MOST_RECORDS = 10000


class Hostname:
    """The host's name, restored if it was changed."""

    env: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._name = socket.gethostname()

    def inspect(self, output: str) -> str:
        return "untouched" if socket.gethostname() == self._name else "written"

    def remove(self) -> None:
        if socket.gethostname() != self._name:
            with contextlib.suppress(OSError):
                socket.sethostname(self._name)


class KernelLog:
    """The host's kernel log from now on; the attacker's mark must not appear in it."""

    env: Mapping[str, str] = {}

    def __init__(self, context: CanaryContext) -> None:
        """Raises OSError without permission to read the log."""
        self._mark = context.mark.encode()
        self._log = os.open(_LOG, os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._log, 0, os.SEEK_END)

    def inspect(self, output: str) -> str:
        for _ in range(_MOST_RECORDS):
            try:
                if self._mark in os.read(self._log, _RECORD):
                    return "written"
            except BlockingIOError:
                break
            except BrokenPipeError:  # records were overwritten before being read
                continue
        return "untouched"

    def remove(self) -> None:
        os.close(self._log)


def unreadable_log(problem: OSError) -> str:
    """Return why the kernel log cannot be watched. Its file's mode does not tell: kernel.dmesg_restrict makes
    opening a file that all may read fail, and a container may have none."""
    if isinstance(problem, PermissionError):
        return "isolab has no permission to read the host's kernel log"
    return f"the host's kernel log cannot be read: {problem.strerror or problem}"


class LeftProcess:
    """A process on the host that has the attacker's mark among its arguments."""

    env: Mapping[str, str] = {}

    def __init__(self, context: CanaryContext) -> None:
        self._mark = context.mark

    def inspect(self, output: str) -> str:
        return "on the host" if any(True for _ in process_table.find(self._marked)) else "untouched"

    def _marked(self, pid: int) -> bool:
        return any(self._mark in word for word in process_table.arguments(pid))

    def remove(self) -> None:
        """Do nothing: the driver ends the process with its machine."""
