"""The controller's side of the runner: run one program and learn reliably how it ended.

The runner is ours but the machine may not be: its report is parsed as untrusted text.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.labfile.models import User
from orchestrator.transport.base import Site, Transport, environment

GRACE = 75.0
"""Seconds the runner may take in addition to the program's time limit: to end hundreds of processes may take
up to a minute on a slow and busy machine (END_MS in images/guest/watch.c)."""


@dataclass(frozen=True)
class Printed:
    """All that a program printed on one stream, kept or not: its ``size`` in bytes, and its SHA-256 in
    hexadecimal ("" if an older runner did not tell). ``escaped`` is what was kept, with bytes that are
    not UTF-8 as ``\\xff``; "" when there are none."""

    size: int = 0
    sha256: str = ""
    escaped: str = ""


@dataclass(frozen=True)
class ProcessResult:
    """How a program ended. ``seconds`` is wall time measured by the runner; ``killed_for`` is "",
    "timeout", "processor", "output" or "hangup"; ``start_error`` says why it could not be started.
    ``cut``: more was printed than ``stdout`` and ``stderr`` hold; ``out`` and ``err`` are about all of it.
    ``out_of_memory`` is whether the kernel killed a process for want of memory, where the program died
    of SIGKILL; None: not known. ``crowded``: it could not be started because its user already has all the
    processes it may have. ``limited`` is whether a program that died of SIGXCPU or SIGXFSZ had reached the
    limit that the kernel enforces by it (setrlimit(2)); None: not known."""

    exit_code: int | None
    signal: str | None
    killed_for: str
    start_error: str
    seconds: float
    stdout: str
    stderr: str
    cut: bool
    out: Printed = Printed()
    err: Printed = Printed()
    out_of_memory: bool | None = None
    crowded: bool = False
    limited: bool | None = None


def run_program(
    transport: Transport,
    site: Site,
    argv: Sequence[str],
    *,
    user: User,
    folder: str,
    timeout: float,
    output_limit: int,
    env: Mapping[str, str],
    deadline: Deadline,
    stdin: bytes = b"",
    file: str = "",
    processor: float = 0.0,
) -> ProcessResult:
    """Run one program under the runner. ``timeout`` is in seconds of wall time on that machine,
    ``processor`` in seconds of its processors' time (0: no limit). ``file`` is what is executed, where
    that is not ``argv[0]``; a relative path begins at ``folder``.

    Raises TransportError, TimedOut, Interrupted.
    """
    command = [
        *site.runner,
        "--dir",
        folder,
        "--timeout",
        str(int(timeout * 1000)),
        "--output",
        str(output_limit),
    ]
    if site.switch and user is not User.ROOT:
        uid = site.users[user.value]
        command += ["--user", f"{uid}:{uid}"]
    command += ["--processor", str(int(processor * 1000))] if processor else []
    command += ["--exec", file] if file else []
    command += ["--stdin", str(len(stdin)), *environment(env), "--", *argv]
    limit = deadline.within(timeout + GRACE)
    done = transport.run(command, deadline=limit, stdin=stdin, hold_stdin=True)
    if done.code != 0:
        words = done.stderr.decode(errors="replace").strip()[-300:]
        raise TransportError(f"the runner failed with status {done.code}: {words or 'no message'}")
    return parse(done.stdout)


def parse(answer: bytes) -> ProcessResult:
    """Parse the runner's report: a line of JSON, then the two outputs. Raises TransportError."""
    head, _, body = answer.partition(b"\n")
    try:
        report: dict[str, Any] = json.loads(head)
        out, err = int(report["stdout"]), int(report["stderr"])
        seconds = float(report["wall_us"]) / 1e6
        if out < 0 or err < 0 or len(body) != out + err or not math.isfinite(seconds):
            raise ValueError("lengths or time")
        return ProcessResult(
            exit_code=None if report["exit"] is None else int(report["exit"]),
            signal=None if report["signal"] is None else str(report["signal"])[:20],
            killed_for=str(report["killed_for"])[:20],
            start_error=str(report["start_error"])[:300],
            seconds=seconds,
            stdout=body[:out].decode(errors="replace"),
            stderr=body[out:].decode(errors="replace"),
            cut=int(report["stdout_total"]) > out or int(report["stderr_total"]) > err,
            out=_printed(body[:out], report, "stdout"),
            err=_printed(body[out:], report, "stderr"),
            out_of_memory=_flag(report.get("out_of_memory")),
            crowded=report.get("crowded") is True,
            limited=_flag(report.get("limited")),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise TransportError(f"invalid report from the runner: {head[:200]!r}") from None


def _printed(kept: bytes, report: Mapping[str, Any], stream: str) -> Printed:
    """Make the digest of what came whole here; take the runner's word for what did not. Raises KeyError,
    ValueError, TypeError."""
    size, theirs = int(report[f"{stream}_total"]), str(report.get(f"{stream}_sha256", ""))
    whole = hashlib.sha256(kept).hexdigest() if size == len(kept) else ""
    digest = whole or (theirs if re.fullmatch("[0-9a-f]{64}", theirs) else "")
    text = kept.decode(errors="backslashreplace")
    return Printed(size, digest, "" if text == kept.decode(errors="replace") else text)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
