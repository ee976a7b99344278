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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class ToldProgress:
    """Only what the user must know: ``tell`` takes each such line."""

    tell: Callable[[str], None]

    def doing(self, who: str, what: str, expected: float = 0.0) -> None: ...

    def done(self, who: str, what: str = "") -> None: ...


class SilentProgress:
    """No output, for tests and for use as a library."""

    def doing(self, who: str, what: str, expected: float = 0.0) -> None: ...

    def done(self, who: str, what: str = "") -> None: ...

    def tell(self, text: str) -> None: ...


@dataclass
class _OngoingTask:
    """What somebody does, since when, and for how long at most as expected; ``shown`` is when a line was
    last printed about them. Times are of time.monotonic()."""

    what: str
    since: float
    expected: float
    shown: float


class LineProgress:
    """Plain lines: the occasional line for each task, with the seconds since the start, and a line now
    and then about a task of which nothing was heard for a while."""

    EVERY = 2.0
    """Seconds between two lines about the same task."""
    HEARTBEAT = 30.0
    """Seconds of silence after which a line says that a task goes on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._tasks: dict[str, _OngoingTask] = {}
        self._lock = threading.Lock()

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        now = time.monotonic()
        with self._lock:
            task = self._tasks.get(who)
            if task is not None and task.what == what:
                return
            quiet = task is not None and now - task.shown < self.EVERY
            shown = task.shown if task is not None and quiet else now
            self._tasks[who] = _OngoingTask(what, now, expected, shown)
        if not quiet:
            self._print(f"{who}: {what}" + (f" (about {expected:.0f} s)" if expected >= 1 else ""))

    def done(self, who: str, what: str = "") -> None:
        with self._lock:
            self._tasks.pop(who, None)
        if what:
            self._print(f"{who}: {what}")

    def beat(self) -> None:
        """Print a line about each task that has gone on in silence."""
        now = time.monotonic()
        with self._lock:
            silent = {who: t for who, t in self._tasks.items() if now - t.shown >= self.HEARTBEAT}
            for task in silent.values():
                task.shown = now
        for who, task in silent.items():
            of = f" of about {task.expected:.0f} s" if task.expected >= 1 else ""
            self._print(f"{who}: still {task.what}, for {now - task.since:.0f} s{of}")

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Print such lines for a ``with`` block."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.HEARTBEAT / 10):
                self.beat()

        heart = threading.Thread(target=beat, name="heartbeat", daemon=True)
        heart.start()
        try:
            yield
        finally:
            over.set()
            heart.join()

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
    if quiet or sys.stderr is None:  # closed by whoever started us
        yield SilentProgress()
    elif sys.stderr.isatty():
        live = LiveProgress()
        with live.shown():
            yield live
    else:
        lines = LineProgress()
        with lines.beating():
            yield lines


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
