"""console, logs: what machines that stay have said, and what is known about their start."""

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
    """A machine's console from its beginning; with ``follow`` until the machine is taken down."""
    check_format(form)
    if follow and form == JSON:
        raise SpecError("--follow and --format json do not go together", hint="leave out one of them")
    resident = find(name)
    path = resident.logs / "console.log"
    if not path.exists():
        raise SpecError(
            f"{resident.name} has no console: it is a {resident.handle.boundary}",
            hint=f"`isolab logs {resident.name}` shows what there is",
        )
    if form == JSON:
        lines = path.read_text(errors="replace").splitlines()
        say_json({"machine": resident.name, "file": str(path), "lines": lines})
        return Exit.PASSED
    try:
        for line in _lines(path, resident if follow else None):
            say(_safe(line))
    except KeyboardInterrupt:
        raise Interrupted() from None
    return Exit.PASSED


def _lines(path: Path, followed: SessionMachine | None) -> Iterator[str]:
    """Lines as they come; what has no end yet is given when it has, or in the end. A machine that
    is reset begins a new file."""
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
    """What a log holds and what is added; sets ``gone`` unless another file took its place."""
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
        except FileNotFoundError:  # set aside, and the next one not there yet; or taken down
            pass
        if time.monotonic() - asked > ASK_EVERY:
            asked = time.monotonic()
            if not any(r.name == followed.name for r in session_machines()):
                break
        time.sleep(POLL_SECONDS)
    gone.set()


def _safe(line: str) -> str:
    """A guest may say anything; a terminal must not obey it."""
    return printable(line.rstrip("\r"))


def logs(name: str, form: str) -> Exit:
    """The files there are about a machine, with the end of each."""
    check_format(form)
    resident = find(name)
    files = [path for path in sorted(resident.logs.rglob("*")) if path.is_file()]
    if form == JSON:
        about = [{"file": str(p), "bytes": p.stat().st_size, "tail": _tail(p)} for p in files]
        say_json({"machine": resident.name, "folder": str(resident.logs), "files": about})
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
