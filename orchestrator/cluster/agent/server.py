"""The agent's process: answers on a UNIX socket, and looks after leases until nobody needs it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from orchestrator.cluster.agent.connection import Connection
from orchestrator.cluster.agent.incoming import Incoming
from orchestrator.cluster.agent.paths import AgentPlace
from orchestrator.cluster.agent.requests import Requests
from orchestrator.cluster.agent.units import Units
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import LabError, TimedOut

IDLE_SECONDS = 60.0
"""How long an agent stays with neither units nor connections."""
TICK_SECONDS = 0.5
"""How often leases are looked at."""
LAST_SECONDS = 5.0
"""How long the last answers may take when the agent ends."""
SWEEP_SECONDS = 10.0
"""How often machines are removed that could not be removed before."""
MOST_CONNECTIONS = 2048
"""A worker has one for each unit. Descriptors are limited to 4096 (``host.caller``)."""
BACKLOG = 128


@dataclass
class Server:
    """One agent. ``say`` writes its log."""

    place: AgentPlace
    units: Units
    say: Callable[[str], None]
    idle_seconds: float = IDLE_SECONDS
    _open: set[Connection] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: threading.Event = field(default_factory=threading.Event)
    """Somebody asked for its end: as soon as nothing runs."""

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set, or nobody needs it any more; then everything is torn down."""
        try:
            ended = False
            while not ended:
                with listening(self.place) as listener:
                    ended = self._serve(listener, stop)
        finally:
            self.units.end_all("the agent was ended")
            self._end_connections()

    def _end_connections(self) -> None:
        """End all connections; what was asked is answered, unless nobody reads it."""
        with self._lock:
            left = list(self._open)
        for one in left:
            one.end()
        with contextlib.suppress(TimedOut):
            poll(lambda: not self._open, Deadline.after(LAST_SECONDS), "the last answers", interval=0.02)
        for one in left:
            one.close()

    def _serve(self, listener: socket.socket, stop: threading.Event) -> bool:
        """Accept connections; returns whether the agent ends, or else has to listen anew."""
        used = looked = swept = time.monotonic()
        listener.settimeout(TICK_SECONDS)
        while not stop.is_set():
            try:
                self._accept(listener)
            except TimeoutError:
                pass
            except (OSError, RuntimeError) as problem:  # no more descriptors or threads, for a while
                self.say(f"a connection cannot be taken: {problem}")
                stop.wait(TICK_SECONDS)
            now = time.monotonic()
            if now - looked >= TICK_SECONDS:
                looked = now
                self._try(self.units.end_leases)
            if now - swept >= SWEEP_SECONDS:
                swept = now
                self._try(self.units.sweep)
            if self._told.is_set():
                self.units.closing = True
            if self._in_use():
                used = now
            elif now - used >= self.idle_seconds or self._told.is_set():
                return self._retired(listener)
        return True

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except LabError as problem:
            self.say(problem.describe())

    def _in_use(self) -> bool:
        with self._lock:
            connected = bool(self._open) and not self._told.is_set()
        return connected or bool(self.units.running())

    def _retired(self, listener: socket.socket) -> bool:
        """Take the socket away, so that whoever comes now starts another agent; returns whether nobody came
        just before, who has to be served."""
        kept = self.place.wanted.exists()
        # First: whoever finds no socket wants an agent, and says so after this.
        self.place.wanted.unlink(missing_ok=True)
        self.place.socket.unlink(missing_ok=True)
        listener.settimeout(0)
        came = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self._accept(listener)
                came += 1
        if not came and not self.units.running():
            self.units.closing = True
            return True
        if kept:
            self.place.wanted.touch()
        self._told.clear()
        self.units.closing = False
        return False

    def _accept(self, listener: socket.socket) -> None:
        line, _ = listener.accept()
        line.settimeout(None)
        with self._lock:
            full = len(self._open) >= MOST_CONNECTIONS
        if full or _peer(line) not in (0, os.getuid()):
            line.close()
            return
        fresh = Connection(
            line, Requests(self.units, self._told.set), Incoming(self.place.incoming), self.say
        )
        with self._lock:
            self._open.add(fresh)
        threading.Thread(target=self._connection, args=(fresh,), daemon=True).start()

    def _connection(self, one: Connection) -> None:
        try:
            one.serve()
        finally:
            with self._lock:
                self._open.discard(one)


@contextlib.contextmanager
def listening(place: AgentPlace) -> Iterator[socket.socket]:
    """Listen on the agent's socket for a ``with`` block. Raises OSError."""
    folder = os.open(place.folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            place.socket.unlink(missing_ok=True)
            listener.bind(f"/proc/self/fd/{folder}/{place.socket.name}")  # its own path may be too long
            place.socket.chmod(0o600)  # in a folder that nobody else may enter
            listener.listen(BACKLOG)
            yield listener
            place.socket.unlink(missing_ok=True)
    finally:
        os.close(folder)


def _peer(line: socket.socket) -> int:
    """Return the user at the other end: unix(7), SO_PEERCRED."""
    raw = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", raw)
    return int(user)
