"""What students ask of the class over SSH, such as ``isolab hand-in``: the service's end of the socket.

The other end is ``inside/ask.py``, which sshd's forced command runs. A request is one line of JSON, with the
seat as the key that was used has it, and the command line as the student typed it. The answer is lines of
JSON: ``{"text": …}`` as it comes, then ``{"code": …}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import struct
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.classes.gateway.folder import gateway_id
from orchestrator.errors import Exit, LabError

Handler = Callable[[str, Sequence[str]], Generator[str, None, int]]
"""Answers a seat's request: given the seat's name and the words after ``isolab`` (``help`` without any), it
yields text and returns the exit code. Raises LabError, which is told."""

MOST_BYTES = 8192
"""Of a request."""
MOST_AT_ONCE = 64
READ_SECONDS, WRITE_SECONDS = 10.0, 60.0
_BUSY = "isolab: too many requests at this moment; ask again in a minute\n"


@contextlib.contextmanager
def serve_requests(place: Path, handler: Handler) -> Iterator[None]:
    """Answer requests on a socket at this path for a ``with`` block, each in a thread of its own.

    Only the gateway's user is answered. Raises OSError if the socket cannot be made.
    """
    with _listening(place) as listener:
        room = threading.BoundedSemaphore(MOST_AT_ONCE)

        def accept() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:  # closed: we end
                    return
                threading.Thread(target=_serve, args=(line, handler, room), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # unlike close(2), wakes who waits in accept(2)
            thread.join()
            place.unlink(missing_ok=True)


@contextlib.contextmanager
def _listening(place: Path) -> Iterator[socket.socket]:
    folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            place.unlink(missing_ok=True)
            listener.bind(f"/proc/self/fd/{folder}/{place.name}")  # its own path may be too long for a socket
            place.chmod(0o600)
            if os.getuid() == 0:
                os.chown(place, gateway_id(), gateway_id())
            listener.listen(MOST_AT_ONCE)
            yield listener
    finally:
        os.close(folder)


@dataclass(frozen=True)
class _Request:
    seat: str
    words: tuple[str, ...]


def _serve(line: socket.socket, handler: Handler, room: threading.BoundedSemaphore) -> None:
    with contextlib.suppress(OSError), line:  # who asked went away
        if _peer(line) != gateway_id():
            return
        line.settimeout(READ_SECONDS)
        raw = _read(line)  # first: a socket that is closed with something unread loses what was answered
        line.settimeout(WRITE_SECONDS)
        if not room.acquire(blocking=False):
            _send(line, text=_BUSY)
            _send(line, code=Exit.INFRASTRUCTURE)
            return
        try:
            _answer(line, raw, handler)
        finally:
            room.release()


def _answer(line: socket.socket, raw: bytes, handler: Handler) -> None:
    try:
        request = parse_request(raw)
    except ValueError as problem:
        _send(line, text=f"isolab: {problem}\n")
        _send(line, code=Exit.BAD_INPUT)
        return
    with contextlib.closing(handler(request.seat, request.words)) as parts:
        try:
            while True:
                _send(line, text=next(parts))
        except StopIteration as end:
            _send(line, code=int(end.value or 0))
        except LabError as problem:
            _send(line, text=f"isolab: {problem.describe()}\n")
            _send(line, code=problem.exit_code)
        except OSError:
            raise
        except Exception:
            _send(line, text="isolab: that failed for a reason of its own; tell your lecturer\n")
            _send(line, code=Exit.INFRASTRUCTURE)
            raise  # its traceback is for the service's log


def parse_request(raw: bytes) -> _Request:
    """Return the request of one line. Raises ValueError with words for whoever asked. Pure."""
    try:
        found = json.loads(raw)
        seat, text = found["seat"], found["line"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("this request cannot be read, or is too long") from None
    if not isinstance(seat, str) or not isinstance(text, str):
        raise ValueError("this request cannot be read")
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError("a quotation mark of this command is not closed") from None
    return _Request(seat, tuple(words[1:]) or ("help",))


def _read(line: socket.socket) -> bytes:
    data = b""
    while b"\n" not in data and len(data) <= MOST_BYTES:
        block = line.recv(MOST_BYTES + 1 - len(data))
        if not block:
            break
        data += block
    return data if len(data) <= MOST_BYTES else b""


def _send(line: socket.socket, **part: str | int) -> None:
    line.sendall(json.dumps(part).encode() + b"\n")


def _peer(line: socket.socket) -> int:
    """Return the user at the other end: unix(7), SO_PEERCRED."""
    raw = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", raw)
    return int(user)
