"""What all routes share: the class, what can be done with it, and who is there now."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TypeVar

import anyio
from starlette.requests import HTTPConnection

from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.web.assets import Asset
from orchestrator.classes.web.guard import Rate, cookie_name
from orchestrator.classes.web.hub import Hub
from orchestrator.classes.web.jobs import Jobs
from orchestrator.classes.web.plainly import NotNow
from orchestrator.classes.web.ports import Actions
from orchestrator.classes.web.terminals import Room
from orchestrator.classes.web.tokens import Grant, Tokens
from orchestrator.errors import LabError

T = TypeVar("T")
QUICK, SLOW = 24, 64
"""Threads for look-ups and logins, and for what may take minutes."""
MOST_TRANSFERS = 2
"""Files of one seat that go in or out at a time, lists of them included: each takes a thread, and space."""
GONE_SECONDS = 10.0
"""How long a seat has no page open before that counts as having left: a page that is loaded anew is gone for
a moment."""
LOOK_SECONDS = 2.0
"""How often the class's log is looked at for messages, and its limits for more time."""
TRIES, TRY_SECONDS = 20, 60.0
"""Invalid tokens from one address."""


@dataclass
class Site:
    """The state of the web server. All but the actions belongs to the event loop's thread."""

    found: LoadedClass
    actions: Actions
    tokens: Tokens
    assets: Mapping[str, Asset]
    wrong_tokens: Rate = field(default_factory=lambda: Rate(TRIES, TRY_SECONDS))
    typed: dict[str, datetime] = field(default_factory=dict)
    _transfers: Counter[str] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _present: set[str] = field(default_factory=set)

    @cached_property
    def seats(self) -> Mapping[str, Seat]:
        """The seats of the class by name."""
        return {seat.name: seat for seat in self.found.seats}

    @cached_property
    def room(self) -> Room:
        return Room(self.quick, self._terminals_changed)

    @cached_property
    def hub(self) -> Hub:
        return Hub(self._changed)

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self.slow, self.hub.tell)

    @cached_property
    def _quick(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(QUICK)

    @cached_property
    def _slow(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(SLOW)

    async def quick(self, work: Callable[[], T]) -> T:
        """Do what blocks for a moment, in a thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._quick)

    async def slow(self, work: Callable[[], T]) -> T:
        """Do what may block for minutes, in a thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._slow)

    @contextlib.asynccontextmanager
    async def transferring(self, seat: str) -> AsyncIterator[None]:
        """Take one of a seat's places for transfers for a block. Raises NotNow if there is none."""
        if self._transfers[seat] >= MOST_TRANSFERS:
            raise NotNow(
                f"{MOST_TRANSFERS} files are on their way already", hint="wait until one has arrived"
            )
        self._transfers[seat] += 1
        try:
            yield
        finally:
            self._transfers[seat] -= 1

    async def visitor(self, connection: HTTPConnection) -> Grant | None:
        """Return whom a request's cookie lets in."""
        secret = connection.cookies.get(cookie_name(connection), "")
        return await self.quick(lambda: self.tokens.session(secret)) if secret else None

    def in_browser(self) -> dict[str, datetime | None]:
        """Return the seats that somebody has open, with the time when something was last typed there."""
        return {seat: self.typed.get(seat) for seat in self.hub.seats()}

    def note_typing(self, seat: str) -> None:
        """Somebody of a seat typed something just now."""
        self.typed[seat] = datetime.now(UTC)

    async def look(self) -> None:
        """See what was said and extended meanwhile, by whomever, and tell the pages. Raises LabError."""
        messages, ends = await self.quick(lambda: (self.actions.messages(), self.actions.ends()))
        self.hub.learn(messages, ends)

    async def follow(self) -> None:
        """Look again and again while a page is open."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self.hub.listened():
                with contextlib.suppress(LabError):  # tried again
                    await self.look()

    async def begin(self) -> None:
        """Put right what a server that was killed left in the class's log. Raises LabError."""
        await self.quick(self.actions.settle)

    async def close(self) -> None:
        """Let all pages go, hang up all terminals, stop what runs, and record that everybody left."""
        self.hub.close()
        await self.jobs.close()
        await self.room.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for seat in sorted(self._present):
            with contextlib.suppress(LabError):  # put right at the next start
                await self.quick(lambda seat=seat: self.actions.came(self.seats[seat], False))  # type: ignore[misc]

    def open_terminals(self, seat: str) -> dict[str, object]:
        """Return the news of which terminals of a seat are open."""
        places = sorted((machine, number) for _, machine, number in self.room.of_seat(seat))
        return {"kind": "terminals", "open": places}

    def _terminals_changed(self, seat: str) -> None:
        self.hub.tell(seat, self.open_terminals(seat))

    def _changed(self, seat: str, here: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._note_presence(seat, here))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _note_presence(self, seat: str, here: bool) -> None:
        if not here:
            await asyncio.sleep(GONE_SECONDS)
        if bool(self.hub.count(seat)) != here or (seat in self._present) == here:
            return
        (self._present.add if here else self._present.discard)(seat)
        try:
            await self.quick(lambda: self.actions.came(self.seats[seat], here))
        except LabError:
            self._present.discard(seat)  # noted when the next page opens
