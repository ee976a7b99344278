"""console, logs: show the console and the log files of running machines."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.formatting import printable
from orchestrator.sessions.lookup import SessionMachine, find, session_machines

TAIL_LINES = 12
POLL_SECONDS = 0.2
ASK_EVERY = 5.0


def console(name: str, follow: bool, form: str) -> Exit:
    """Print a machine's console from the start; with ``follow``, until the machine is taken down."""
    check_format(form)
    if follow and form == JSON:
        raise SpecError("--follow cannot be used with --format json", hint="drop one of them")
    machine = find(name)
    path = machine.logs / "console.log"
    if not path.exists():
        raise SpecError(
            f"{machine.name} has no console: its boundary is {machine.handle.boundary}",
            hint=f"`isolab logs {machine.name}` shows its log files",
        )
    if form == JSON:
        lines = path.read_text(errors="replace").splitlines()
        say_json({"machine": machine.name, "file": str(path), "lines": lines})
        return Exit.PASSED
    try:
        for line in _lines(path, machine if follow else None):
            if not say(_safe(line)):
                break
    except KeyboardInterrupt:
        raise Interrupted() from None
    return Exit.PASSED


def _lines(path: Path, followed: SessionMachine | None) -> Iterator[str]:
    """Yield lines as they arrive, an incomplete last line only at the end. A machine that is reset
    starts a new file."""
    gone = threading.Event()
    while not gone.is_set():
        pending = ""
        with path.open("rb") as file:
            for block in _blocks(file, path, followed, gone):
                *whole, pending = (pending + block.decode(errors="replace")).split("\n")
                yield from whole
        if pending:
            yield pending


def _blocks(
    file: BinaryIO, path: Path, followed: SessionMachine | None, gone: threading.Event
) -> Iterator[bytes]:
    """Yield a log's content and what is appended; sets ``gone`` unless another file replaced it."""
    asked = time.monotonic()
    while True:
        if block := file.read(65536):
            yield block
            continue
        if followed is None:
            break
        try:
            if path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                return
        except FileNotFoundError:  # moved away, its successor not created yet; or taken down
            pass
        if time.monotonic() - asked > ASK_EVERY:
            asked = time.monotonic()
            if not any(r.name == followed.name for r in session_machines()):
                break
        time.sleep(POLL_SECONDS)
    gone.set()


def _safe(line: str) -> str:
    """Escape control characters: a guest must not control the terminal."""
    return printable(line.rstrip("\r"))


def logs(name: str, form: str) -> Exit:
    """List a machine's log files, with the last lines of each."""
    check_format(form)
    machine = find(name)
    files = [path for path in sorted(machine.logs.rglob("*")) if path.is_file()]
    if form == JSON:
        about = [{"file": str(p), "bytes": p.stat().st_size, "tail": _tail(p)} for p in files]
        say_json({"machine": machine.name, "folder": str(machine.logs), "files": about})
        return Exit.PASSED
    for path in files:
        lines = _tail(path)
        say(f"==> {path} ({path.stat().st_size} bytes)")
        for line in lines:
            say(f"    {_safe(line)}")
    return Exit.PASSED


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 16384))
        return file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
