"""The one door to ``subprocess``: argument lists, a deadline, TERM then KILL, output to a file.

A child runs in a session of its own, so that a Ctrl-C at the terminal reaches only us and we
decide what dies when; and so that its whole process group can be ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, TimedOut, TransportError, Unavailable

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""


class ProcessFailed(LabError):
    """A program we ran ended with an error; the message shows its command and last words."""


@dataclass(frozen=True)
class Finished:
    """How a program ended. ``code`` is negative for a signal, as in ``subprocess``."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    def tail(self, lines: int = 8) -> str:
        """The last lines the program wrote, standard error first choice."""
        text = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


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
    """Run a program to its end.

    ``hold_stdin`` keeps standard input open after ``stdin`` was sent, until the program ends
    (the runner takes a closed input for the death of its controller). ``limit`` bounds the bytes
    kept of each output stream. ``ignore_signals`` hands down Python's ignored SIGPIPE and
    SIGXFSZ instead of restoring their defaults.

    Raises Unavailable (no such program), TimedOut, Interrupted, and with ``check``
    ProcessFailed.
    """
    args = tuple(str(a) for a in argv)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, _input(stdin, hold_stdin) as feed:
        child = _start(args, feed.read_end, out, err, env=env, cwd=cwd, restore=not ignore_signals)
        try:
            feed.send()
            _wait(child, deadline, args)
        finally:
            _end(child)
        finished = Finished(args, child.returncode, _read(out, limit), _read(err, limit))
    if check and finished.code != 0:
        raise ProcessFailed(f"`{shlex.join(args)}` ended with status {finished.code}:\n{finished.tail()}")
    return finished


@contextlib.contextmanager
def running(argv: Sequence[str | Path], *, executable: Path) -> Iterator[int]:
    """A silent program that lives as long as the ``with`` block; gives its process id."""
    child = subprocess.Popen(
        [str(a) for a in argv],
        executable=str(executable),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
    )
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


class Conversation:
    """A child that stays and is talked with over its standard input and output.

    Ends when closed: its input first (a well-behaved program takes that for the end), then its
    process group by signals.
    """

    def __init__(
        self, argv: Sequence[str | Path], *, user: int | None = None, cwd: Path | None = None
    ) -> None:
        """``user`` is whom root starts it as. Raises Unavailable when the program cannot be started."""
        self._args = tuple(str(a) for a in argv)
        with Path(os.devnull).open("wb") as nothing:
            self._child = _start(
                self._args,
                subprocess.PIPE,
                subprocess.PIPE,
                nothing,
                env=None if user is None else {},
                cwd=cwd,
                restore=True,
                user=user,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, data: bytes, deadline: Deadline) -> None:
        assert self._child.stdin is not None
        fd, view = self._child.stdin.fileno(), memoryview(data)
        os.set_blocking(fd, False)
        while view:
            if not select.select([], [fd], [], deadline.slice())[1]:
                deadline.check(f"sending to `{self._args[0]}`")
                continue
            try:
                view = view[os.write(fd, view) :]
            except BrokenPipeError:
                raise TransportError(f"`{self._args[0]}` ended") from None

    def receive(self, deadline: Deadline) -> bytes:
        assert self._child.stdout is not None
        fd = self._child.stdout.fileno()
        while not select.select([fd], [], [], deadline.slice())[0]:
            deadline.check(f"waiting for `{self._args[0]}`")
        return os.read(fd, 65536)

    def close(self, *, at_once: bool = False) -> None:
        """``at_once``: it cannot end by itself, for it was stopped."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        if at_once:
            self._child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(GRACE)
        _end(self._child)


def detach(argv: Sequence[str | Path], log: Path, deadline: Deadline, inherit: Sequence[int] = ()) -> None:
    """Start a program that outlives us: not our child, in a session of its own, output to ``log``.
    It gets the descriptors ``inherit`` under their own numbers.

    SIGXFSZ and SIGPIPE stay ignored in it. Raises Unavailable when setsid(1) is not there; what
    becomes of the program itself is for the caller to find out.
    """
    args = ("setsid", "--fork", *(str(a) for a in argv))
    with log.open("ab") as file, Path(os.devnull).open("rb") as nothing:
        child = _start(args, nothing.fileno(), file, file, env=None, cwd=None, restore=False, inherit=inherit)
        _wait(child, deadline, args)


def become(argv: Sequence[str]) -> None:
    """Replace this process by a program found on PATH; does not return."""
    os.execvp(argv[0], list(argv))


class _Feed:
    """Standard input for a child: nothing, a file, or a pipe we keep open."""

    def __init__(self, data: bytes, hold: bool) -> None:
        self._data = data
        self._write_end: int | None = None
        self._file: IO[bytes] | None = None
        self._thread: threading.Thread | None = None
        if hold:
            self.read_end, self._write_end = os.pipe()
            os.set_inheritable(self.read_end, True)
        elif data:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
            self._file.write(data)
            self._file.seek(0)
            self.read_end = self._file.fileno()
        else:
            self.read_end = os.open(os.devnull, os.O_RDONLY)

    def send(self) -> None:
        if self._write_end is not None:
            os.close(self.read_end)
            self.read_end = -1
            if self._data:
                self._thread = threading.Thread(target=self._write, daemon=True)
                self._thread.start()

    def _write(self) -> None:
        view = memoryview(self._data)
        with contextlib.suppress(OSError):  # the child ended without reading it all
            while view and self._write_end is not None:
                view = view[os.write(self._write_end, view) :]

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._write_end is not None:
            os.close(self._write_end)
        if self._file is not None:
            self._file.close()
        elif self.read_end != -1:
            os.close(self.read_end)


@contextlib.contextmanager
def _input(data: bytes, hold: bool) -> Iterator[_Feed]:
    feed = _Feed(data, hold)
    try:
        yield feed
    finally:
        feed.close()


def _start(
    args: tuple[str, ...],
    stdin: int,
    out: IO[bytes] | int,
    err: IO[bytes],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    restore: bool,
    inherit: Sequence[int] = (),
    user: int | None = None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
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
        )
    except FileNotFoundError:
        raise Unavailable(
            f"{args[0]}: no such program", hint="`isolab doctor` lists what is missing"
        ) from None
    except OSError as problem:
        raise Unavailable(f"{args[0]}: cannot be started: {problem.strerror}") from None


def _wait(child: subprocess.Popen[bytes], deadline: Deadline, args: tuple[str, ...]) -> None:
    """Wait for an event, not by polling: pidfd_open(2) becomes readable when the child ends."""
    pidfd = os.pidfd_open(child.pid)
    try:
        while not select.select([pidfd], [], [], deadline.slice())[0]:
            try:
                deadline.check(f"`{shlex.join(args)[:200]}`")
            except TimedOut as late:
                raise TimedOut(late.message, hint="the machine may be overloaded; try again") from None
        child.wait()
    finally:
        os.close(pidfd)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child that still runs, and its process group with it."""
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # root's, started by sudo
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    # Also when the child is gone: what it started may have ignored SIGTERM.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(file: IO[bytes], limit: int) -> bytes:
    file.seek(0)
    return file.read(limit)
