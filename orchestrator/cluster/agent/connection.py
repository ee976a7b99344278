"""One connection to an agent: its requests are answered side by side, each in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.cluster.agent.incoming import Incoming
from orchestrator.cluster.agent.protocol import LONGEST, decode, encode
from orchestrator.cluster.agent.requests import Caller, Requests
from orchestrator.errors import Exit, LabError, TransportError, from_os

MOST_AT_ONCE = 256
"""Requests of one connection that are being answered."""
SEND_SECONDS = 60.0
"""How long whoever asked may take to read: a line that is only half there must not hold a thread for ever."""
BLOCK = 65536


@dataclass(eq=False)
class Connection:
    """A connection that was accepted. ``say`` writes the agent's log."""

    line: socket.socket
    requests: Requests
    incoming: Incoming
    say: Callable[[str], None]
    _sending: threading.Lock = field(default_factory=threading.Lock)

    def serve(self) -> None:
        """Answer until the other end closes it. What it asked to run goes on without it."""
        caller = Caller(self.incoming)
        caller.wanted.set()
        room = threading.BoundedSemaphore(MOST_AT_ONCE)
        threads: list[threading.Thread] = []
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_SECONDS))
        try:
            for raw in self._lines():
                room.acquire()
                threads = [thread for thread in threads if thread.is_alive()]
                thread = threading.Thread(target=self._answer, args=(raw, caller, room), daemon=True)
                threads.append(thread)
                thread.start()
        except (OSError, TransportError) as problem:
            self.say(f"a connection was closed: {problem}")
        finally:
            caller.wanted.clear()  # nobody follows any more
            self.requests.wake()
            for thread in threads:
                thread.join()
            self.incoming.close()
            self.line.close()

    def end(self) -> None:
        """Take no more requests: ``serve`` returns when those it has are answered."""
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)

    def _lines(self) -> Iterator[bytes]:
        """Yield requests, each without its end. Raises OSError, TransportError for one that is too long."""
        data = bytearray()
        while block := self.line.recv(BLOCK):
            data += block
            while (end := data.find(b"\n")) >= 0:
                yield bytes(data[:end])
                del data[: end + 1]
            if len(data) > LONGEST:
                raise TransportError(f"a request is longer than {LONGEST} bytes")

    def _answer(self, raw: bytes, caller: Caller, room: threading.BoundedSemaphore) -> None:
        number: Any = None
        try:
            message = decode(raw)
            number = message.get("id")
            answer = self.requests.answer(message, caller)
            while True:
                try:
                    self._send({"id": number, "item": next(answer)})
                except StopIteration as end:
                    self._send({"id": number, "done": end.value})
                    return
        except LabError as problem:
            self._refuse(number, problem)
        except OSError as problem:
            self._refuse(number, from_os(problem))
        except Exception as failure:  # noqa: BLE001 - told to whoever asked, and in our log
            self.say("".join(traceback.format_exception(failure)).rstrip())
            self._refuse(number, LabError(f"the agent failed: {type(failure).__name__}: {failure}"))
        finally:
            room.release()

    def _refuse(self, number: Any, problem: LabError) -> None:
        kind, code = type(problem).__name__, int(problem.exit_code or Exit.INFRASTRUCTURE)
        words = {"error": problem.message, "hint": problem.hint, "code": code, "kind": kind}
        with contextlib.suppress(_Gone):
            self._send({"id": number, **words})

    def _send(self, message: dict[str, Any]) -> None:
        """Raises _Gone if the other end does not read any more: the connection is closed then."""
        data = encode(message)
        try:
            with self._sending:
                self.line.sendall(data)
        except OSError as problem:
            self.close()
            raise _Gone(str(problem)) from None


class _Gone(TransportError):
    """Whoever asked is not there any more."""


def _timeval(seconds: float) -> bytes:
    """Return the value of socket(7)'s SO_SNDTIMEO: a C struct timeval."""
    return struct.pack("ll", int(seconds), 0)
