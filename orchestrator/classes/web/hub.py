"""News for browsers that are open: messages, results, time; and who has one open.

For the event loop's thread only. Each browser has a queue of its own; one that does not read is let go.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.classes.web.ports import Message
from orchestrator.formatting import printable

QUEUE = 64
"""News that a browser may be behind."""
KEPT = 20
"""Messages of a seat that are shown again to who comes later."""


@dataclass(eq=False)
class Listener:
    """One open page; ``counts``: it is of the seat's own people. None ends ``queue``."""

    seat: str
    counts: bool
    queue: asyncio.Queue[dict[str, object] | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))

    def tell(self, news: dict[str, object]) -> None:
        """Queue this for the browser, or let it go if it is too far behind."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(None)
        else:
            self.queue.put_nowait(news)


class Hub:
    """The open pages of all seats, and what was said to each."""

    def __init__(self, changed: Callable[[str, bool], None]) -> None:
        """``changed`` is called when the first page of a seat opens, and when the last one has closed."""
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._messages: defaultdict[str, deque[Message]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._ends: Mapping[str, datetime] = {}
        self._changed = changed

    def join(self, seat: str, *, counts: bool = True) -> Listener:
        """Open a page of a seat, by its own people if it ``counts``; it is told the messages so far
        and the end."""
        listener = Listener(seat, counts)
        if counts and not self.count(seat):
            self._changed(seat, True)
        self._listeners[seat].add(listener)
        for message in self._messages[seat]:
            listener.tell(message_news(message))
        listener.tell(time_news(self._ends.get(seat)))
        return listener

    def leave(self, listener: Listener) -> None:
        """A page was closed."""
        here = self._listeners[listener.seat]
        if listener in here:
            here.discard(listener)
            if listener.counts and not self.count(listener.seat):
                self._changed(listener.seat, False)

    def count(self, seat: str) -> int:
        """Return how many pages of a seat its own people have open."""
        return sum(one.counts for one in self._listeners[seat])

    def seats(self) -> list[str]:
        """Return the seats of which somebody has a page open."""
        return [seat for seat in list(self._listeners) if self.count(seat)]

    def listened(self) -> bool:
        """Whether any page is open, the lecturer's included."""
        return any(self._listeners.values())

    def tell(self, seat: str, news: dict[str, object]) -> None:
        """Tell all open pages of a seat."""
        for listener in list(self._listeners[seat]):
            listener.tell(news)

    def learn(self, messages: Iterable[Message], ends: Mapping[str, datetime]) -> None:
        """Take note of all that was said so far, and until when each seat's machines stay up; tell what is
        new."""
        for message in messages:
            known = self._messages[message.seat]
            if message not in known and (not known or message.time >= known[-1].time):
                known.append(message)
                self.tell(message.seat, message_news(message))
        before, self._ends = self._ends, dict(ends)
        for seat in [seat for seat in self._listeners if before.get(seat) != ends.get(seat)]:
            self.tell(seat, time_news(ends.get(seat)))

    def close(self) -> None:
        """Let all go."""
        for here in self._listeners.values():
            for listener in list(here):
                if listener.queue.full():
                    listener.queue.get_nowait()
                listener.queue.put_nowait(None)


def message_news(message: Message) -> dict[str, object]:
    """Return a message as pages are told of it. Pure."""
    text = printable(message.text, keep="\n")
    return {"kind": "message", "text": text, "time": message.time.isoformat()}


def time_news(ends: datetime | None) -> dict[str, object]:
    """Return the news of when machines are taken down, None for never. Pure."""
    return {"kind": "ends", "time": ends.isoformat() if ends else ""}
