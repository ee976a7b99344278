"""A person at a terminal: a program on a real pseudo-terminal, keys pressed, the screen read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

CTRL_C, CTRL_Z = b"\x03", b"\x1a"
SECONDS = 120.0


@dataclass
class Typist:
    """Types into a program's terminal and reads what appears there."""

    pid: int
    terminal: int
    seen: bytes = b""

    def press(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def type(self, line: str) -> None:
        self.press(line.encode() + b"\n")

    def read_until(self, words: str) -> str:
        """What appeared up to and with ``words``. Fails when they do not appear in time."""
        until = time.monotonic() + SECONDS
        while words.encode() not in self.seen:
            left = until - time.monotonic()
            ready = left > 0 and select.select([self.terminal], [], [], left)[0]
            block = self._read() if ready else b""
            assert block, f"{words!r} did not appear after: {self.seen[-2000:]!r}"
            self.seen += block
        before, _, self.seen = self.seen.partition(words.encode())
        return (before + words.encode()).decode(errors="replace")

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def status(self) -> int:
        """The program's exit status, once it has ended."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bytes:
        try:
            return os.read(self.terminal, 65536)
        except OSError:  # nobody holds the other end any more
            return b""


@contextlib.contextmanager
def at_terminal(argv: Sequence[str], env: Mapping[str, str], cwd: str) -> Iterator[Typist]:
    """A program on a terminal of 30 rows and 100 columns; killed in the end."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - the child of pty.fork()
    typist = Typist(pid, terminal)
    typist.resize(30, 100)
    try:
        yield typist
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
