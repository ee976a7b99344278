"""Progress display: who is doing what, for how long, and the expected time.

Three kinds: a live table on a terminal, plain lines elsewhere (CI, a pipe), nothing.
All write to standard error, so that standard output has only the result.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Progress(Protocol):
    """Interface for reporting progress. Thread-safe."""

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        """Report that ``who`` now does ``what``, for ``expected`` seconds (0: unknown)."""

    def done(self, who: str, what: str = "") -> None:
        """Report that ``who`` has finished; ``what``, if given, stays on screen."""

    def tell(self, text: str) -> None:
        """Print a line that stays on screen: something the user must know."""


class SilentProgress:
    """No output, for tests and for use as a library."""

    def doing(self, who: str, what: str, expected: float = 0.0) -> None: ...

    def done(self, who: str, what: str = "") -> None: ...

    def tell(self, text: str) -> None: ...


class LineProgress:
    """Plain lines: the occasional line for each task, with the seconds since the start."""

    EVERY = 2.0
    """Seconds between two lines about the same task."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._last: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        now = time.monotonic()
        with self._lock:
            before, when = self._last.get(who, ("", -self.EVERY))
            if before == what or now - when < self.EVERY:
                return
            self._last[who] = (what, now)
        self._print(f"{who}: {what}" + (f" (about {expected:.0f} s)" if expected >= 1 else ""))

    def done(self, who: str, what: str = "") -> None:
        if what:
            self._print(f"{who}: {what}")

    def tell(self, text: str) -> None:
        self._print(text)

    def _print(self, text: str) -> None:
        write_error(f"[{time.monotonic() - self._begun:6.1f}s] {_plain(text)}\n")


class LiveProgress:
    """A live table with one row for each task."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, float, float]] = {}
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._console: Console | None = None

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        with self._lock:
            previous = self._rows.get(who)
            since = previous[1] if previous and previous[0] == what else time.monotonic()
            self._rows[who] = (what, since, expected)

    def done(self, who: str, what: str = "") -> None:
        with self._lock:
            self._rows.pop(who, None)
        if what:
            self.tell(f"{who}: {what}")

    def tell(self, text: str) -> None:
        if self._console is not None:
            self._console.print(_plain(text), markup=False, highlight=False)

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        with self._lock:
            rows = list(self._rows.items())
        for who, (what, since, expected) in rows:
            spent = f"{now - since:.0f} s" + (f" of about {expected:.0f} s" if expected >= 1 else "")
            table.add_row(Text(who, style="bold"), Text(_plain(what)[:90]), Text(spent, style="dim"))
        table.add_row(Text(f"{now - self._begun:.0f} s", style="dim"), Text(""), Text(""))
        return table

    @contextmanager
    def shown(self) -> Iterator[None]:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._console = Console(stderr=True)
        with RichLive(self, console=self._console, refresh_per_second=5, transient=True):
            yield


@contextmanager
def shown(quiet: bool = False) -> Iterator[Progress]:
    """Yield the right kind of progress for where standard error goes."""
    if quiet:
        yield SilentProgress()
    elif sys.stderr.isatty():
        live = LiveProgress()
        with live.shown():
            yield live
    else:
        yield LineProgress()


def write_error(text: str) -> None:
    """Write to standard error, if it can be written: a full disk or a closed pipe there ends no run."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        # What is still buffered would fail again when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stderr.fileno())
            os.close(nowhere)


def _plain(text: str) -> str:
    """Replace control characters: console lines of hostile guests must not control the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
