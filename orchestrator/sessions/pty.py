"""A pseudo-terminal for a program in a machine, relayed to the user's terminal.

The program never holds the user's terminal: it could inject input there that the user's shell runs
as commands (ioctl_tty(2), TIOCSTI). It holds one end of a pseudo-terminal (pty(7)) instead; keys,
Ctrl-C among them, and size changes are passed on.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence

from orchestrator.host import process


def relay(argv: Sequence[str]) -> int:
    """Run a program on a terminal of its own until it ends; returns its exit status.

    Standard input must be a terminal. Raises Unavailable when the program cannot be started.
    """
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    ours, theirs = (os.fdopen(fd, "rb", buffering=0) for fd in os.openpty())
    with ours, theirs:
        _copy_size(keyboard, ours.fileno())
        with process.attached(argv, theirs.fileno()) as end:
            theirs.close()
            with _raw(keyboard), _following_size(keyboard, ours.fileno()):
                _pass_on(keyboard, screen, ours.fileno())
            ours.close()  # hangs up, if the program is still running
            return end()


def _pass_on(keyboard: int, screen: int, ours: int) -> None:
    """Relay both ways until the other end is closed."""
    listen = [keyboard, ours]
    while True:
        ready = select.select(listen, [], [])[0]
        if ours in ready:
            try:
                typed = os.read(ours, 65536)
            except OSError as problem:
                if problem.errno == errno.EIO:  # the other end is closed: pty(7)
                    return
                raise
            if not typed:
                return
            _write(screen, typed)
        if keyboard in ready:
            keys = os.read(keyboard, 4096)
            if not keys:  # the user's terminal is gone
                return
            _write(ours, keys)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


@contextlib.contextmanager
def _raw(keyboard: int) -> Iterator[None]:
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard, termios.TCSADRAIN)  # keeps type-ahead
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _following_size(keyboard: int, ours: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(keyboard, ours))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(source: int, target: int) -> None:
    with contextlib.suppress(OSError):  # one of them has just gone
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)
