"""One running runner per machine for all its programs: ``run --serve`` behind the Transport contract.

Starting a runner costs an SSH channel, a shell and a program start, or a whole ``podman exec``,
each time; a request to a running one costs a round trip. All other commands use the underlying
transport.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.transport.base import LIMIT, InteractiveTransport, Result, Stream
from orchestrator.transport.runner import parse

_MAX_HEAD = 8192
UNPACK_SECONDS = 300.0


class RunnerServer:
    """Runs programs through one running runner, everything else through the inner transport."""

    def __init__(self, inner: InteractiveTransport, runner: str) -> None:
        self._inner = inner
        self._runner = runner
        self._stream: Stream | None = None
        self._pending = b""

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        if argv[0] == "tar" and stdin:
            return self._unpack(argv, stdin, deadline)
        if argv[0] != self._runner or not hold_stdin:
            return self._inner.run(argv, deadline=deadline, stdin=stdin, hold_stdin=hold_stdin)
        return self._through_runner(argv[1:], stdin, deadline)

    def _unpack(self, argv: Sequence[str], stdin: bytes, deadline: Deadline) -> Result:
        """Unpack a tar stream in the same way, as a program run by the runner's own user."""
        limit = str(max(1, int(min(UNPACK_SECONDS, deadline.remaining()) * 1000)))
        order = ["--timeout", limit, "--stdin", str(len(stdin)), "--", "/bin/tar", *argv[1:]]
        result = parse(self._through_runner(order, stdin, deadline).stdout)
        words = (result.start_error or result.killed_for or result.stderr).encode()
        return Result(result.exit_code if result.exit_code is not None else 1, result.stdout.encode(), words)

    def _through_runner(self, arguments: Sequence[str], stdin: bytes, deadline: Deadline) -> Result:
        try:
            return self._order(arguments, stdin, deadline)
        except BaseException:
            # Half an answer may be in transit: the next request gets a new runner.
            self.close()
            raise

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._pending = None, b""

    def _order(self, arguments: Sequence[str], stdin: bytes, deadline: Deadline) -> Result:
        if self._stream is None:
            self._stream = self._inner.open([self._runner, "--serve"], deadline)
        words = b"".join(os.fsencode(word) + b"\0" for word in arguments)
        self._stream.send(f"{len(words)} {len(stdin)}\n".encode() + words + stdin, deadline)
        head = self._line(self._stream, deadline)
        try:
            report = json.loads(head)
            size = int(report["stdout"]) + int(report["stderr"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise TransportError(f"invalid report from the runner: {head[:200]!r}") from None
        if not 0 <= size <= LIMIT:
            raise TransportError(f"the runner announced an invalid output size: {size} bytes")
        while len(self._pending) < size:
            self._pending += self._receive(self._stream, deadline)
        body, self._pending = self._pending[:size], self._pending[size:]
        return Result(0, head + b"\n" + body, b"")

    def _line(self, stream: Stream, deadline: Deadline) -> bytes:
        while b"\n" not in self._pending:
            if len(self._pending) > _MAX_HEAD:
                raise TransportError("the runner's report line is too long")
            self._pending += self._receive(stream, deadline)
        head, _, self._pending = self._pending.partition(b"\n")
        return head

    def _receive(self, stream: Stream, deadline: Deadline) -> bytes:
        block = stream.receive(deadline)
        if not block:
            words = stream.complaints() or "no message"
            raise TransportError(f"the runner ended before it reported: {words}")
        return block


@contextmanager
def runner_server(inner: InteractiveTransport, runner: str) -> Iterator[RunnerServer]:
    """Provide a transport with one runner for all programs for a ``with`` block."""
    transport = RunnerServer(inner, runner)
    try:
        yield transport
    finally:
        transport.close()
