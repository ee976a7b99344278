"""Canaries that are processes, or held by one: memory, System V objects, the ability to fork.

The program is images/host/canary.c. Asked over its standard input, it reports what it noticed; what it
cannot notice (that it was stopped or killed) is seen from outside.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from orchestrator.arch import host_arch
from orchestrator.compile.cross import build_program
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import CanaryError, TransportError
from orchestrator.exercises.canaries.base import CanaryContext, new_key, remove_key
from orchestrator.host import process, process_table
from orchestrator.paths import HOST_SOURCES

SECONDS = 60.0
_VARIABLES = {"process": "PID", "other-process": "OTHER_PID", "memory": "MEMORY_PID"}


def canary_program(archives: Archives, deadline: Deadline) -> Path:
    """Return the canary process's program for this host, from the cache or newly compiled.

    Raises BuildError, ImageError, TimedOut, Interrupted.
    """
    return build_program(HOST_SOURCES / "canary.c", host_arch(), archives, deadline)


class Process:
    """A canary process in one of its roles."""

    def __init__(self, context: CanaryContext, kind: str, owner: int | None) -> None:
        """Raises CanaryError, Unavailable, TimedOut, Interrupted."""
        self._context, self._kind = context, kind
        self._key = new_key() if kind in ("segment", "queue") else None
        argv: list[str | Path] = [context.program, "process" if kind == "other-process" else kind]
        if self._key is not None:
            context.note("key", self._key)
            argv.append(hex(self._key))
        self._talk = process.Conversation(argv, user=owner, cwd=context.program.parent)
        try:
            word, address = self._ask(context.secret).split()
        except BaseException as problem:
            self.remove()
            if not isinstance(problem, TransportError | ValueError):
                raise
            raise CanaryError(
                f"cannot plant the canary {kind!r}: its process did not start",
                hint=f"every user must be able to run programs from {context.program.parent}",
            ) from None
        self.env = self._environment(address)
        assert word == "ready"

    def _environment(self, address: str) -> Mapping[str, str]:
        if self._key is not None:
            return {f"ISOLAB_CANARY_{self._kind.upper()}": hex(self._key)}
        if self._kind not in _VARIABLES:
            return {}
        pid = {f"ISOLAB_CANARY_{_VARIABLES[self._kind]}": str(self._talk.pid)}
        return {**pid, "ISOLAB_CANARY_MEMORY": f"0x{address}"} if self._kind == "memory" else pid

    def inspect(self, output: str) -> str:
        state = self._state()
        if state in ("", "Z", "X"):
            return "killed"
        if state in ("T", "t"):
            return "stopped"
        try:
            return self._answered(self._ask("what became of you?"), output)
        except TransportError:
            return "killed"
        except ValueError:
            # An attacker of the same user may have made it print anything.
            return "written"

    def _answered(self, answer: str, output: str) -> str:
        """Interpret the process's answer. Raises ValueError when it is malformed."""
        signals, starved, there, content = answer.split()
        if self._kind == "forks":
            return "starved" if int(starved) else "untouched"
        if self._kind not in ("memory", "segment", "queue"):
            return "signalled" if int(signals) else "untouched"
        return self._content(there == "1", bytes.fromhex(content.rstrip(".")), output)

    def _content(self, there: bool, content: bytes, output: str) -> str:
        if self._kind == "queue" and there and not content:
            return "emptied"
        return self._context.judge(content.decode(errors="replace") if there else None, output)

    def _state(self) -> str:
        """Return the process's state (proc(5)); "" when it is gone."""
        with contextlib.suppress(OSError):
            return process_table.stat_fields(self._talk.pid)[0]
        return ""

    def _ask(self, line: str) -> str:
        """Send a line and return the answer. Raises TransportError, TimedOut, Interrupted."""
        deadline = self._context.deadline.within(SECONDS)
        self._talk.send(line.encode() + b"\n", deadline)
        answer = b""
        while not answer.endswith(b"\n"):
            block = self._talk.receive(deadline)
            if not block or len(answer) > 4096:
                raise TransportError("the canary process exited")
            answer += block
        return answer.decode(errors="replace")

    def remove(self) -> None:
        self._talk.close(at_once=self._state() in ("T", "t"))
        if self._key is not None:
            remove_key(self._key)
