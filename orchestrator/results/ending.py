"""How a program ended, in words, and whether its answer can be compared at all. Pure.

A program that isolab or the kernel stopped has not answered: what it would have printed next is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.formatting import size_words
from orchestrator.record import Record, Status

By = Literal["itself", "isolab", "kernel", "unknown", "nobody"]
"""Who ended a program; *nobody*: it never ran."""

_KERNEL = {
    "memory": "killed by the kernel: out of memory",
    "cpu-limit": "killed by the kernel: limit on processor time (SIGXCPU)",
    "file-limit": "killed by the kernel: limit on the size of a file (SIGXFSZ)",
}
_UNKNOWN = "killed by SIGKILL, but not by isolab: perhaps by the kernel, out of memory"
_ISOLAB = {
    "timeout": "stopped by isolab: time limit",
    "processor": "stopped by isolab: limit on processor time",
    "output": "stopped by isolab: too much output",
    "hangup": "stopped by isolab: the connection to the machine was lost",
}
_SHELL = 128
_SIGNALS = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 8: "SIGFPE", 9: "SIGKILL",
    11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
}  # fmt: skip
"""Signals with the same number on every architecture: signal(7)."""


@dataclass(frozen=True)
class Ending:
    """How a program ended: in ``words`` that are equal for equal endings, and ``by`` whom."""

    words: str
    by: By

    @property
    def comparable(self) -> bool:
        """Whether the program came to an end of its own, so that its answer is complete."""
        return self.by == "itself"


def ending_of(record: Record) -> Ending:
    """Return how the program of a record ended."""
    if record.status in (Status.ERROR, Status.SKIP):
        return Ending(record.reason or record.status.value, "nobody")
    if record.killed_for in _KERNEL:
        return Ending(_KERNEL[record.killed_for], "kernel")
    if record.killed_for:
        known = _ISOLAB.get(record.killed_for, f"stopped by isolab: {record.killed_for}")
        return Ending(_UNKNOWN, "unknown") if record.killed_for == "unknown" else Ending(known, "isolab")
    if record.signal:
        return Ending(f"killed by {record.signal}", "itself")
    if record.exit_code is None and record.status is not Status.PASS:
        return Ending(record.reason or "it did not run", "nobody")
    code = record.exit_code or 0
    return Ending(f"exit {code}{_as_shell(code)}", "itself")


def _as_shell(code: int) -> str:
    """Shells and wrappers report a signal as a status; that is not the same as dying of it."""
    name = _SIGNALS.get(code - _SHELL)
    return f" (as a shell reports {name})" if name else ""


def details(records: Sequence[Record]) -> str:
    """Return the figures of an ending that machines share: how long, how much; "" if there are none."""
    match records[0].killed_for:
        case "timeout" | "processor":
            times = sorted(record.guest_seconds for record in records)
            span = _span([f"{time:.3g}" for time in (times[0], times[-1])])
            return f"still running after {span} s, scaled to its speed"
        case "output":
            sizes = sorted(max(record.stdout_bytes or 0, record.stderr_bytes or 0) for record in records)
            return f"{_span([size_words(sizes[0]), size_words(sizes[-1])])} when it was stopped"
    return ""


def _span(ends: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys(ends))
