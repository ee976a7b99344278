"""Terminals that several browsers share: the student's, and the lecturer's who looks on or joins.

A terminal outlives the browsers that show it: who comes back after the network was cut sees what was on
the screen. What a program prints is read no faster than the slowest browser shows it, and no faster than
RATE; so `yes` fills no memory, and stops when its terminal does. With nobody there the end is kept.

All of this runs in the event loop's thread; only logging in and hanging up, which take time, do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from orchestrator.classes.web.ports import Pty
from orchestrator.errors import SpecError

SCROLLBACK = 256 * 1024
"""Bytes of a terminal's output that are kept for browsers that come later."""
AHEAD = 256 * 1024
"""Bytes that a browser may be behind before the terminal waits for it."""
PATIENCE = 5.0
"""Seconds that a terminal waits for one browser; then that one is let go, and may come back."""
RATE = 2 * 2**20
"""Bytes a second that are read from one terminal at most."""
MOST_INPUT = 1 << 20
"""Bytes typed or pasted that a program has not read yet; more are refused."""
UNSEEN_RATE = 128 * 1024
"""The same while no browser shows it."""
BLOCK = 32 * 1024
MOST_TERMINALS = 4
"""Of one machine."""
MOST_VIEWERS = 12
"""Of one terminal."""
MOST_COLUMNS, MOST_ROWS = 500, 200


@dataclass(eq=False)
class Viewer:
    """A browser that shows a terminal. ``send`` takes bytes for the screen, ``tell`` words about it (JSON);
    both only put them into a queue. ``types``: what is typed there reaches the program."""

    lecturer: bool
    types: bool
    send: Callable[[bytes], None]
    tell: Callable[[dict[str, object]], None]
    drop: Callable[[], None]
    behind: int = 0
    size: tuple[int, int] = (80, 24)


@dataclass(eq=False)
class Terminal:
    """One program on one terminal, and the browsers that show it."""

    pty: Pty
    ended: Callable[[Terminal], None]
    viewers: list[Viewer] = field(default_factory=list)
    size: tuple[int, int] = (80, 24)
    typed: float = 0.0
    """When somebody last typed, by the event loop's clock."""
    _kept: bytearray = field(default_factory=bytearray)
    _input: bytearray = field(default_factory=bytearray)
    _reading: bool = False
    _writing: bool = False
    _pause: asyncio.TimerHandle | None = None
    _late: asyncio.TimerHandle | None = None
    _closed: bool = False
    _cut: bool = False

    def begin(self) -> None:
        """Start to read what the program prints."""
        self._read_on()

    def attach(self, viewer: Viewer) -> None:
        """Show the terminal in one more browser. Raises SpecError if too many do."""
        if len(self.viewers) >= MOST_VIEWERS:
            raise SpecError(f"{MOST_VIEWERS} browsers show this terminal already", hint="close one of them")
        self.viewers.append(viewer)
        if self._closed:
            viewer.tell({"kind": "ended"})
        replay = bytes(self._kept)
        viewer.tell({"kind": "replay", "bytes": len(replay), "cut": self._cut})
        if replay:
            viewer.behind += len(replay)
            viewer.send(replay)
        self._settle_size()
        self._announce()

    def detach(self, viewer: Viewer) -> None:
        """A browser went away."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self._settle_size()
            self._announce()
            self._read_on()

    def shown(self, viewer: Viewer, count: int) -> None:
        """A browser has shown this many more bytes."""
        viewer.behind = max(0, viewer.behind - max(0, count))
        self._read_on()

    def type(self, viewer: Viewer, data: bytes) -> None:
        """Give what was typed to the program, if that browser may type."""
        if not viewer.types or self._closed:
            return
        if len(self._input) + len(data) > MOST_INPUT:
            viewer.tell({"kind": "note", "text": "the program does not read what is typed: it was not sent"})
            return
        self.typed = asyncio.get_running_loop().time()
        self._input += data
        self._write_on()

    def resize(self, viewer: Viewer, columns: int, rows: int) -> None:
        """A browser's window changed. The student's decides; the lecturer's where no student is there."""
        viewer.size = bounded_size(columns, rows)
        self._settle_size(viewer)

    def let_type(self, viewer: Viewer, types: bool) -> None:
        """Whether what is typed in a browser reaches the program."""
        viewer.types = types
        self._settle_size()
        self._announce()

    def close(self) -> None:
        """Stop relaying; whoever shows it is told. The program is still to be hung up (``pty.close``)."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        for timer in (self._pause, self._late):
            if timer is not None:
                timer.cancel()
        with contextlib.suppress(OSError, ValueError):
            loop.remove_reader(self.pty.descriptor)
            loop.remove_writer(self.pty.descriptor)
        for viewer in list(self.viewers):
            viewer.tell({"kind": "ended"})
        self.ended(self)

    def _settle_size(self, changed: Viewer | None = None) -> None:
        """The size is that of the window that changed last, among those that count: see ``resize``."""
        students = [one for one in self.viewers if not one.lecturer]
        counting = students or [one for one in self.viewers if one.types] or self.viewers
        if not counting or self._closed:
            return
        size = (changed if changed in counting else counting[-1]).size
        if size != self.size:
            self.size = size
            self.pty.resize(*size)
        for viewer in self.viewers:
            viewer.tell({"kind": "size", "columns": size[0], "rows": size[1]})

    def _announce(self) -> None:
        """Tell all who is here, and one of them to answer what programs ask of a terminal: two answers would
        be read as something typed."""
        typing = [one for one in self.viewers if one.types]
        students = [one for one in typing if not one.lecturer]
        first = next(iter(students or typing), None)
        looking = [one for one in self.viewers if one.lecturer]
        about = "" if not looking else "together" if any(one.types for one in looking) else "looking"
        for viewer in self.viewers:
            others = len([one for one in self.viewers if not one.lecturer]) - (not viewer.lecturer)
            viewer.tell({"kind": "here", "lecturer": about, "others": others, "answer": viewer is first})

    def _read_on(self) -> None:
        behind = [one for one in self.viewers if one.behind > AHEAD]
        if self._reading or self._closed or self._pause is not None:
            return
        loop = asyncio.get_running_loop()
        if behind:
            if self._late is None:
                self._late = loop.call_later(PATIENCE, self._let_go)
            return
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._reading = True
        loop.add_reader(self.pty.descriptor, self._read)

    def _let_go(self) -> None:
        """Part with browsers that do not keep up: others wait for them, and the program does."""
        self._late = None
        for viewer in [one for one in self.viewers if one.behind > AHEAD]:
            viewer.drop()
            self.detach(viewer)
        self._read_on()

    def _read(self) -> None:
        try:
            data = os.read(self.pty.descriptor, BLOCK)
        except BlockingIOError:
            return
        except OSError as problem:
            if problem.errno not in (errno.EIO, errno.EBADF):  # EIO: the other end is closed, pty(7)
                raise
            data = b""
        if not data:
            self.close()
            return
        self._keep(data)
        for viewer in self.viewers:
            viewer.behind += len(data)
            viewer.send(data)
        loop = asyncio.get_running_loop()
        flood = len(data) >= 4096
        if flood or any(one.behind > AHEAD for one in self.viewers):
            self._reading = False
            loop.remove_reader(self.pty.descriptor)
            rate = RATE if self.viewers else UNSEEN_RATE
            self._pause = loop.call_later(len(data) / rate, self._after_pause)

    def _after_pause(self) -> None:
        self._pause = None
        self._read_on()

    def _keep(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > SCROLLBACK:
            # From the beginning of a line on: an escape sequence has no line feed in it.
            begin = self._kept.find(b"\n", len(self._kept) - SCROLLBACK * 3 // 4)
            begin = begin + 1 if begin >= 0 else len(self._kept) - SCROLLBACK * 3 // 4
            del self._kept[:begin]
            self._cut = True

    def _write_on(self) -> None:
        while self._input:
            try:
                done = os.write(self.pty.descriptor, self._input[:4096])
            except BlockingIOError:
                if not self._writing:
                    self._writing = True
                    asyncio.get_running_loop().add_writer(self.pty.descriptor, self._write_on)
                return
            except OSError:
                self._input.clear()
                break
            del self._input[:done]
        if self._writing:
            self._writing = False
            asyncio.get_running_loop().remove_writer(self.pty.descriptor)


def bounded_size(columns: int, rows: int) -> tuple[int, int]:
    """Return a size that a terminal may have. Pure."""
    return min(max(columns, 2), MOST_COLUMNS), min(max(rows, 2), MOST_ROWS)


Place = tuple[str, str, int]
"""A terminal's seat, machine and number."""


class Room:
    """The terminals of a class that are open, by place. For the event loop's thread only."""

    def __init__(
        self, in_thread: Callable[[Callable[[], None]], Awaitable[None]], changed: Callable[[str], None]
    ) -> None:
        """``in_thread`` runs what blocks elsewhere; ``changed`` is called when a terminal of a seat was
        opened or has ended."""
        self._in_thread = in_thread
        self._changed = changed
        self._open: dict[Place, Terminal] = {}
        self._locks: dict[Place, asyncio.Lock] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def find(self, place: Place) -> Terminal | None:
        """Return the terminal there, if it is open."""
        return self._open.get(place)

    def of_seat(self, seat: str) -> dict[Place, Terminal]:
        """Return a seat's open terminals."""
        return {place: terminal for place, terminal in self._open.items() if place[0] == seat}

    async def enter(
        self, place: Place, log_in: Callable[[], Awaitable[Pty]], size: tuple[int, int]
    ) -> Terminal:
        """Return the terminal at a place, opened by ``log_in`` with this size if it is not yet. Raises what
        that raises."""
        lock = self._locks.setdefault(place, asyncio.Lock())
        async with lock:
            if (there := self._open.get(place)) is not None:
                return there
            terminal = Terminal(await log_in(), lambda ended: self._ended(place, ended), size=size)
            self._open[place] = terminal
            terminal.begin()
            self._changed(place[0])
            return terminal

    def _ended(self, place: Place, terminal: Terminal) -> None:
        if self._open.get(place) is terminal:
            del self._open[place]
            self._changed(place[0])
        task = asyncio.get_running_loop().create_task(self._hang_up(terminal.pty))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _hang_up(self, pty: Pty) -> None:
        await self._in_thread(pty.close)

    async def close_machine(self, seat: str, machine: str) -> None:
        """Close the terminals of a machine that goes away."""
        for place, terminal in list(self._open.items()):
            if place[:2] == (seat, machine):
                terminal.close()
        await self.settled()

    async def close(self) -> None:
        """Close all terminals, and wait until their programs have ended."""
        for terminal in list(self._open.values()):
            terminal.close()
        await self.settled()

    async def settled(self) -> None:
        if self._closing:
            await asyncio.wait(set(self._closing))
