"""class part: what a controller starts on a host over SSH, to have its part of a class carried out there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import IO

from orchestrator.classes.hosts.request import MOST_BYTES, PartRequest
from orchestrator.classes.part import carry_out
from orchestrator.cli.signals import stop_signals
from orchestrator.errors import Exit, Interrupted, LabError, SpecError

STDIN = 0


def part() -> Exit:
    """Take one request from standard input, and write lines of progress and the answer to standard output.
    Ends like by Ctrl-C when its input does: then the controller has gone. Raises SpecError for a terminal."""
    if sys.stdin.isatty():
        raise SpecError(
            "`isolab class part` talks to a program, not to people",
            hint="a controller starts it over SSH: see `isolab help cluster`",
        )
    line = sys.stdin.buffer.readline(MOST_BYTES)
    lines = _JsonProgress(sys.stdout.buffer)
    try:
        with stop_signals():
            threading.Thread(target=_end_with_input, daemon=True).start()
            answer = carry_out(PartRequest.from_line(line), lines)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: the controller has gone, or ended this") from None
    except LabError as problem:
        said = {"message": problem.message, "hint": problem.hint, "code": int(problem.exit_code)}
        lines.write(problem=said)
        return problem.exit_code
    lines.write(result=answer.to_data())
    return Exit.PASSED


def _end_with_input() -> None:
    # Not the buffered one: who waits in that cannot be left behind when Python ends.
    with contextlib.suppress(OSError):
        while os.read(STDIN, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class _JsonProgress:
    """Progress as lines of JSON."""

    out: IO[bytes]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _said: dict[str, str] = field(default_factory=dict)

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        if self._said.get(who) != what:  # it is said again and again
            self._said[who] = what
            self.write(doing=[who, what, expected])

    def done(self, who: str, what: str = "") -> None:
        self._said.pop(who, None)
        self.write(done=who)

    def tell(self, text: str) -> None:
        self.write(tell=text)

    def write(self, **part: object) -> None:
        # Whoever started this may have gone: then the end of the input says so.
        with self._lock, contextlib.suppress(OSError):
            self.out.write(json.dumps(part).encode() + b"\n")
            self.out.flush()
