"""How the steps of an exercise ended and what they printed, as fields of its record. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.transport.runner import Printed, ProcessResult

_BY_THE_KERNEL = {"SIGXCPU": "cpu-limit", "SIGXFSZ": "file-limit"}
"""Signals by which the kernel enforces limits: setrlimit(2)."""

_KILLED = {
    "memory": "killed by the kernel: out of memory",
    "cpu-limit": "killed by the kernel: limit on processor time",
    "file-limit": "killed by the kernel: limit on the size of a file",
    "unknown": "killed by SIGKILL, but not by isolab: perhaps by the kernel, out of memory",
}

NOTHING_PRINTED: Mapping[str, Any] = {
    "killed_for": "", "cut": False, "stdout_bytes": None, "stdout_sha256": "", "stdout_escaped": "",
    "stderr_bytes": None, "stderr_sha256": "", "stderr_escaped": "",
}  # fmt: skip
"""The fields that ``printed_fields`` returns, where nobody may know them."""


def killed_for(result: ProcessResult) -> str:
    """Return what ended a program that did not end by itself; "" for one that did.

    A program that dies of SIGKILL while memory does not run out was killed by its own side, and so was one
    that dies of the signal for a limit which it had not reached.
    """
    if result.killed_for:
        return result.killed_for
    if result.signal == "SIGKILL" and result.out_of_memory is not False:
        return "memory" if result.out_of_memory else "unknown"
    return _BY_THE_KERNEL.get(result.signal or "", "") if result.limited is not False else ""


def killed_words(result: ProcessResult) -> str:
    """Say who ended a program that isolab did not stop, as far as that is known; "" otherwise."""
    if result.killed_for:
        return ""
    return _KILLED.get(killed_for(result), "")


def printed_fields(results: Sequence[ProcessResult]) -> dict[str, Any]:
    """Return the fields of a record that say how its last step ended and what all of them printed."""
    out, err = [result.out for result in results], [result.err for result in results]
    return {
        "killed_for": killed_for(results[-1]),
        "cut": any(result.cut for result in results),
        "stdout_bytes": sum(part.size for part in out),
        "stdout_sha256": _digest(out),
        "stdout_escaped": _escaped(out, [result.stdout for result in results]),
        "stderr_bytes": sum(part.size for part in err),
        "stderr_sha256": _digest(err),
        "stderr_escaped": _escaped(err, [result.stderr for result in results]),
    }


def _digest(parts: Sequence[Printed]) -> str:
    """Return the digest of one step's output, or of the digests of several; "" if one is not known."""
    if len(parts) == 1 or not all(part.sha256 for part in parts):
        return parts[0].sha256 if len(parts) == 1 else ""
    return hashlib.sha256(" ".join(part.sha256 for part in parts).encode()).hexdigest()


def _escaped(parts: Sequence[Printed], texts: Sequence[str]) -> str:
    if not any(part.escaped for part in parts):
        return ""
    return "".join(part.escaped or text for part, text in zip(parts, texts, strict=True))
