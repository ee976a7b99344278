"""A long-running child process, driven over its standard input and output."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.host.process.child import (
    GRACE,
    PIPE,
    Finished,
    TimeoutExpired,
    end,
    read,
    start,
    wait,
)
from orchestrator.host.ready import readable, writable

MOST_ERRORS = 2**20
"""Bytes of standard error accepted from such a program: some may come from a machine."""
COMPLAINT_BYTES = 2000
"""How much of the end of it is quoted."""


class Conversation:
    """A long-running child process, driven over its standard input and output.

    ``close`` closes its input first, at which a well-behaved program ends, then signals its process
    group.
    """

    def __init__(
        self, argv: Sequence[str | Path], *, user: int | None = None, cwd: Path | None = None
    ) -> None:
        """``user`` is the user id that root runs it as. Raises Unavailable if it cannot be started."""
        self._args = tuple(str(a) for a in argv)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._child = start(
                self._args,
                PIPE,
                PIPE,
                self._errors,
                env=None if user is None else {},
                cwd=cwd,
                restore=True,
                user=user,
            )
        except BaseException:
            self._errors.close()
            raise

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, data: bytes, deadline: Deadline) -> None:
        assert self._child.stdin is not None
        fd, view = self._child.stdin.fileno(), memoryview(data)
        os.set_blocking(fd, False)
        while view:
            if not writable(fd, deadline.slice()):
                deadline.check(f"sending to `{self._args[0]}`")
                continue
            try:
                view = view[os.write(fd, view) :]
            except BrokenPipeError:
                raise TransportError(f"`{self._args[0]}` exited unexpectedly") from None

    def receive(self, deadline: Deadline) -> bytes:
        assert self._child.stdout is not None
        fd = self._child.stdout.fileno()
        while not readable(fd, deadline.slice()):
            deadline.check(f"waiting for `{self._args[0]}`")
        if os.fstat(self._errors.fileno()).st_size > MOST_ERRORS:
            raise TransportError(f"`{self._args[0]}` wrote more than {MOST_ERRORS} bytes to standard error")
        return os.read(fd, 65536)

    def complaints(self) -> str:
        """Return the end of what the program wrote on standard error so far."""
        number = self._errors.fileno()
        start = max(0, os.fstat(number).st_size - COMPLAINT_BYTES)
        return os.pread(number, COMPLAINT_BYTES, start).decode(errors="replace").strip()

    def close(self, *, at_once: bool = False) -> None:
        """End the child; ``at_once`` kills it, since a stopped process cannot end by itself."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        if at_once:
            self._child.kill()
        with contextlib.suppress(TimeoutExpired):
            self._child.wait(GRACE)
        end(self._child)
        self._errors.close()

    def end_input(self) -> None:
        """Close the program's standard input."""
        assert self._child.stdin is not None
        self._child.stdin.close()

    def finish(self, deadline: Deadline) -> Finished:
        """Wait for the program to end; returns its status and standard error.
        Raises TimedOut, Interrupted."""
        wait(self._child, deadline, self._args)
        return Finished(self._args, self._child.returncode, b"", read(self._errors, 65536))
