"""A program on a pseudo-terminal of its own, whose other end somebody else relays.

Source: pty(7), setsid(1), ioctl_tty(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Mapping, Sequence

from orchestrator.host.process.child import end, start


class OnTerminal:
    """A running program; ``descriptor`` is our end of its terminal, and does not block.

    The terminal controls the program, so that the kernel tells it of a new size, and hangs up when our end is
    closed: also when we are killed.
    """

    def __init__(
        self, argv: Sequence[str], columns: int, rows: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Raises Unavailable if setsid(1) cannot be started. The program's own absence is told on the
        terminal."""
        self.descriptor, theirs = os.openpty()
        try:
            _set_size(theirs, columns, rows)
            words = ("setsid", "--ctty", "--wait", *argv)
            self._child = start(words, theirs, theirs, theirs, env=env, cwd=None, restore=True)
        except BaseException:
            os.close(self.descriptor)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(self.descriptor, False)
        self._open = True

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size."""
        if self._open:
            _set_size(self.descriptor, columns, rows)

    def close(self) -> None:
        """Hang up, which ends the program if it still runs. May be repeated."""
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            end(self._child)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
