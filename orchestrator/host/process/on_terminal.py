"""A program on a pseudo-terminal of its own, whose other end somebody else relays.

Source: pty(7), ioctl_tty(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping, Sequence

from orchestrator.host.process.child import end, start


class OnTerminal:
    """A running program; ``descriptor`` is our end of its terminal, and does not block."""

    def __init__(
        self, argv: Sequence[str], columns: int, rows: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Raises Unavailable if it cannot be started."""
        self.descriptor, theirs = os.openpty()
        try:
            _set_size(theirs, columns, rows)
            self._child = start(tuple(argv), theirs, theirs, theirs, env=env, cwd=None, restore=True)
        except BaseException:
            os.close(self.descriptor)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(self.descriptor, False)
        self._open = True

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size. The program is told by us: the terminal does not control it, so that
        the kernel would not."""
        if self._open:
            _set_size(self.descriptor, columns, rows)
            if self._child.poll() is None:
                self._child.send_signal(signal.SIGWINCH)

    def close(self) -> None:
        """Hang up, and end the program if it still runs. May be repeated."""
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
            end(self._child)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
