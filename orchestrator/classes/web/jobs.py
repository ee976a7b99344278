"""What buttons start: one at a time for each seat, in a thread, its result told to all pages of the seat.

For the event loop's thread only. A page that was away finds the last result when it comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator.classes.web.plainly import TRY_AGAIN, NotNow
from orchestrator.classes.web.ports import Line, Outcome
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, SpecError, TimedOut, TransportError
from orchestrator.formatting import printable
from orchestrator.progress import write_error

MOST_LINES = 100
MOST_CHARACTERS = 4000
"""Of one line of a result."""
T = TypeVar("T")
InThread = Callable[[Callable[[], T]], Awaitable[T]]


class Jobs:
    """The jobs of all seats."""

    def __init__(self, in_thread: InThread[Outcome], tell: Callable[[str, dict[str, object]], None]) -> None:
        self._in_thread = in_thread
        self._tell = tell
        self._running: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, dict[str, object]] = {}
        self._cancellation = Cancellation()

    def last(self, seat: str) -> dict[str, object] | None:
        """Return the news of what runs for a seat, or ran last."""
        return self._last.get(seat)

    def start(self, seat: str, what: str, work: Callable[[Cancellation], Outcome]) -> None:
        """Start a job of a seat; ``what`` says what is being done. Raises SpecError while another runs."""
        if seat in self._running:
            doing = str(self._last.get(seat, {}).get("what", "something"))
            raise SpecError(f"one thing at a time: still {doing}", hint="wait until its result is shown")
        self._note(seat, {"kind": "job", "state": "running", "what": what})
        task = asyncio.get_running_loop().create_task(self._run(seat, what, work))
        self._running[seat] = task
        task.add_done_callback(lambda _: self._running.pop(seat, None))

    async def close(self) -> None:
        """Cancel what runs, and wait for it."""
        self._cancellation.cancel()
        if self._running:
            await asyncio.wait(set(self._running.values()))

    async def _run(self, seat: str, what: str, work: Callable[[Cancellation], Outcome]) -> None:
        began = time.monotonic()
        try:
            outcome = await self._in_thread(lambda: work(self._cancellation))
        except (TransportError, TimedOut) as problem:
            write_error(f"web server: {printable(problem.describe())}\n")
            outcome = Outcome("that did not work, or took too long", False, (Line(TRY_AGAIN),))
        except LabError as problem:
            told = isinstance(problem, (SpecError, NotNow)) and problem.hint
            lines = (Line(problem.hint),) if told else ()
            outcome = Outcome(problem.message, False, lines)
        except Exception as problem:
            outcome = Outcome(
                f"it failed: {type(problem).__name__}",
                False,
                (Line("tell your lecturer; the server's log has more"),),
            )
            self._note(seat, _news(what, outcome, began))
            raise
        self._note(seat, _news(what, outcome, began))

    def _note(self, seat: str, news: dict[str, object]) -> None:
        self._last[seat] = news
        self._tell(seat, news)


def _news(what: str, outcome: Outcome, began: float) -> dict[str, object]:
    lines = [
        {"text": printable(line.text[:MOST_CHARACTERS], keep="\n\t"), "good": line.good}
        for line in outcome.lines[:MOST_LINES]
    ]
    return {
        "kind": "job",
        "state": "done",
        "what": what,
        "title": printable(outcome.title[:MOST_CHARACTERS], keep="\n"),
        "good": outcome.good,
        "seconds": round(time.monotonic() - began, 1),
        "lines": lines,
    }
