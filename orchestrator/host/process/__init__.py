"""Run programs on this host: argument lists, a deadline, TERM then KILL, output to a file.

Only ``child`` starts processes.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, Unavailable
from orchestrator.host.process.child import UMASK, Finished, end, read, running, start, wait
from orchestrator.host.process.conversation import Conversation
from orchestrator.host.process.feed import given
from orchestrator.host.process.on_terminal import OnTerminal

__all__ = [
    "Conversation",
    "Finished",
    "OnTerminal",
    "ProcessFailed",
    "attached",
    "become",
    "detach",
    "plugged",
    "run",
    "running",
]


class ProcessFailed(LabError):
    """A program failed; the message shows its command and last lines of output."""


def run(
    argv: Sequence[str | Path],
    *,
    deadline: Deadline,
    stdin: bytes = b"",
    hold_stdin: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
    limit: int = 8 * 2**20,
    ignore_signals: bool = False,
) -> Finished:
    """Run a program to completion.

    ``hold_stdin`` keeps standard input open after sending ``stdin``, until the program ends
    (the runner takes end of file to mean that its controller died). ``limit`` bounds the bytes
    kept of each output stream. ``ignore_signals`` lets the child inherit Python's ignored SIGPIPE
    and SIGXFSZ instead of restoring their defaults.

    Raises Unavailable (no such program), TimedOut, Interrupted, and with ``check``
    ProcessFailed.
    """
    args = tuple(str(a) for a in argv)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, given(stdin, hold_stdin) as feed:
        child = start(args, feed.read_end, out, err, env=env, cwd=cwd, restore=not ignore_signals)
        try:
            feed.send()
            wait(child, deadline, args)
        finally:
            end(child)
        finished = Finished(args, child.returncode, read(out, limit), read(err, limit))
    if check and finished.code != 0:
        raise ProcessFailed(f"`{shlex.join(args)}` exited with status {finished.code}:\n{finished.tail()}")
    return finished


@contextlib.contextmanager
def plugged(argv: Sequence[str], log: Path) -> Iterator[socket.socket]:
    """Run a program with a socket as standard input and output for a ``with`` block; yields the other
    end. The child sees EOF if we die; its stderr goes to ``log``.

    Raises Unavailable if the program cannot be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs, log.open("ab") as complaints:
            child = start(
                tuple(argv), theirs.fileno(), theirs.fileno(), complaints, env=None, cwd=None, restore=True
            )
        try:
            yield ours
        finally:
            end(child)


def detach(argv: Sequence[str | Path], log: Path, deadline: Deadline, *, inherit: Sequence[int] = ()) -> None:
    """Start a program that outlives us: not our child, in a session of its own, output to ``log``.

    It has the descriptors ``inherit``, under the same numbers. SIGXFSZ and SIGPIPE stay ignored in it.
    Raises Unavailable if setsid(1) is missing; the caller must check whether the program itself started.
    """
    args = ("setsid", "--fork", *(str(a) for a in argv))
    with log.open("ab") as file, Path(os.devnull).open("rb") as nothing:
        child = start(args, nothing.fileno(), file, file, env=None, cwd=None, restore=False, inherit=inherit)
        wait(child, deadline, args)


def become(argv: Sequence[str]) -> None:
    """Replace this process with a program found on PATH; does not return. Raises Unavailable."""
    os.umask(UMASK)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec(2) keeps that
        signal.signal(number, signal.SIG_DFL)
    for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        with contextlib.suppress(OSError):  # the listing itself, closed by now
            os.set_inheritable(descriptor, descriptor <= 2)  # what our caller left open is not for a machine
    try:
        os.execvp(argv[0], list(argv))
    except OSError as problem:
        raise Unavailable(f"cannot start {argv[0]}: {problem.strerror}") from None


@contextlib.contextmanager
def attached(argv: Sequence[str], terminal: int) -> Iterator[Callable[[], int]]:
    """Run a program on an open terminal for a ``with`` block; yields a function that waits for its end
    and returns its status, 128 plus the number for a signal. Raises Unavailable."""
    child = start(tuple(argv), terminal, terminal, terminal, env=None, cwd=None, restore=True)

    def status() -> int:
        code = child.wait()
        return code if code >= 0 else 128 - code

    try:
        yield status
    finally:
        end(child)
