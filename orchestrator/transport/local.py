"""Run commands on this host's own kernel, with an argument prefix (none, or ``podman exec …``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.host import process
from orchestrator.transport.base import LIMIT, EndingStream, Result


@dataclass(frozen=True)
class CommandTransport:
    """Runs ``prefix + argv`` as a child process."""

    prefix: tuple[str, ...] = ()

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        done = process.run(
            [*self.prefix, *argv],
            deadline=deadline,
            stdin=stdin,
            hold_stdin=hold_stdin,
            check=False,
            limit=LIMIT + 1,
        )
        if len(done.stdout) > LIMIT:
            raise TransportError(f"`{argv[0]}` wrote more than {LIMIT} bytes")
        return Result(done.code, done.stdout, done.stderr)

    def open(self, argv: Sequence[str], deadline: Deadline) -> EndingStream:
        deadline.check(f"starting `{argv[0]}`")
        return process.Conversation([*self.prefix, *argv])
