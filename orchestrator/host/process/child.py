"""Children of this process, the one door to ``subprocess``: started in a session of their own,
waited for with a deadline, ended by TERM and then KILL with their whole process group.

So a Ctrl-C at the terminal reaches only us, and we decide what dies when.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.deadline import Deadline
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.host.ready import readable

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
UMASK = 0o022
"""Of all children: the caller's own would be seen by the programs in machines on this host, and would keep
the files of an image from their users."""
BUSY_SECONDS = 5.0
"""How long a program may be open for writing (ETXTBSY, execve(2)) before that is an error. What we have just
written is closed; but a child that another thread starts meanwhile has a copy of the descriptor until it
becomes its program."""
PIPE = subprocess.PIPE
TimeoutExpired = subprocess.TimeoutExpired
Child = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Finished:
    """How a program ended. ``code`` is negative for a signal, as in ``subprocess``."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    def tail(self, lines: int = 8) -> str:
        """The last lines the program wrote, to standard error if it wrote any there."""
        text = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def start(
    args: tuple[str, ...],
    stdin: int,
    out: IO[bytes] | int,
    err: IO[bytes] | int,
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    restore: bool,
    inherit: Sequence[int] = (),
    user: int | None = None,
) -> Child:
    """Start a child; root runs it as user id ``user``, without other groups. Raises Unavailable."""
    try:
        return _once_written(
            lambda: subprocess.Popen(
                args,
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
                restore_signals=restore,
                pass_fds=tuple(inherit),
                user=user,
                group=user,
                extra_groups=None if user is None else (),
                umask=UMASK,
            )
        )
    except FileNotFoundError:
        raise Unavailable(
            f"{args[0]}: program not found", hint="`isolab doctor` lists what is missing"
        ) from None
    except OSError as problem:
        raise Unavailable(f"cannot start {args[0]}: {problem.strerror}") from None


def _once_written(begin: Callable[[], Child]) -> Child:
    """Start a program, waiting for it to be written. Raises OSError."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return begin()
        except OSError as problem:
            if problem.errno != errno.ETXTBSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def wait(child: Child, deadline: Deadline, args: tuple[str, ...]) -> None:
    """Wait for a child without polling: its pidfd_open(2) becomes readable when it ends."""
    pidfd = os.pidfd_open(child.pid)
    try:
        while not readable(pidfd, deadline.slice()):
            try:
                deadline.check(f"`{shlex.join(args)[:200]}`")
            except TimedOut as late:
                raise TimedOut(late.message, hint="this host may be overloaded; try again") from None
        child.wait()
    finally:
        os.close(pidfd)


def end(child: Child) -> None:
    """End a child that still runs, together with its process group."""
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # root's, started by sudo
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    # Even if the child is gone: its own children may have ignored SIGTERM.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def read(file: IO[bytes], limit: int) -> bytes:
    """Read the first ``limit`` bytes of a file that a child wrote."""
    file.seek(0)
    return file.read(limit)


@contextlib.contextmanager
def running(argv: Sequence[str | Path], *, executable: Path) -> Iterator[int]:
    """Run a silent program for a ``with`` block; yields its process id."""
    child = _once_written(
        lambda: subprocess.Popen(
            [str(a) for a in argv],
            executable=str(executable),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
        )
    )
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()
