"""The class's service as a process: one for each class, started with the machines and ended with them.

Whoever holds the lock of ``service.lock`` is the service. The file has its process id, a digest of the
class file and the roster as it read them, and ``ready`` once all is open that it serves. A shell beside it
starts it again if it is killed, by a host that is out of memory, say, as long as there is
``service.wanted``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import class_state
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.cache import digest
from orchestrator.host.keeper import render_kept

START_SECONDS = 30.0
OPEN_SECONDS = 360.0
"""How long a service that runs may take to open all that it serves: it may be fetching xterm.js."""
END_SECONDS = 60.0
"""How long a service may take to end: it may be copying home folders."""
ASKED_SECONDS = 1.0
AGAIN_SECONDS = 2
"""After what time a service that was killed is started again."""
_LOCK, _LOG, _WANTED = "service.lock", "service.log", "service.wanted"
_READY = "ready"
_COMPLAINT, _HINT = "isolab: ", "  hint: "
"""How lines of the log begin that say why a service ended, and what to do."""
_PROGRAM = "from orchestrator.cli.main import main; main()"


def log_of(found: LoadedClass) -> Path:
    """Return the file with what the service says."""
    return class_state(found) / _LOG


@contextlib.contextmanager
def being_the_service(found: LoadedClass) -> Iterator[Callable[[], None]]:
    """Be the class's service for a ``with`` block; yields what says that all is open that it serves. Raises
    Unavailable if another process is."""
    with (class_state(found) / _LOCK).open("a+") as file:
        try:
            # Who only asks whether there is a service holds the lock for a moment.
            poll(lambda: _locks(file), Deadline.after(ASKED_SECONDS), "taking the service's lock")
        except TimedOut:
            raise Unavailable(
                f"the service of {found.name} runs already (process {service(found) or 'unknown'})",
                hint="`isolab class down` ends it; the class's pages are served by it already",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {_version(found)}")
        file.flush()

        def ready() -> None:
            file.write(f" {_READY}")
            file.flush()

        yield ready
        file.truncate(0)


def service(found: LoadedClass) -> int | None:
    """Return the process id of the class's service; None if it does not run."""
    with contextlib.suppress(FileNotFoundError), (class_state(found) / _LOCK).open("r+") as file:
        if not _locks(file):
            pid, _, _ = file.read().partition(" ")
            return int(pid) if pid.isdecimal() else None
    return None


def _known_to(found: LoadedClass) -> str:
    """Return the version of the class that the running service knows."""
    return [*_words(found), "", ""][1]


def _words(found: LoadedClass) -> list[str]:
    return (class_state(found) / _LOCK).read_text().split()


def _is_ready(found: LoadedClass) -> bool:
    return service(found) is not None and _READY in _words(found)


def _version(found: LoadedClass) -> str:
    """Return a digest of the class file and the roster as they are."""
    files = (found.file, found.file.parent / found.spec.roster)
    return digest(*(file.read_bytes() if file.is_file() else b"" for file in files))


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start_service(found: LoadedClass) -> bool:
    """Start the class's service in the background, unless it runs; one that knows another class file or
    roster is replaced. Returns whether it was started. Raises Unavailable, with its last words, if it does
    not start."""
    if service(found) is not None:
        if _known_to(found) == _version(found):
            return False
        stop_service(found)
    log = log_of(found)
    log.unlink(missing_ok=True)
    words = [sys.executable, "-c", _PROGRAM, "class", "serve", str(found.file.resolve())]
    wanted = class_state(found) / _WANTED
    wanted.touch()
    process.detach(
        render_kept(words, wanted, AGAIN_SECONDS, "the service"), log, Deadline.after(START_SECONDS)
    )
    _wait_until_ready(found)
    return True


def _wait_until_ready(found: LoadedClass) -> None:
    """Wait until all is open that the service serves. Raises Unavailable, with its last words, if it ends."""
    doing = f"starting the service of {found.name}"
    with contextlib.suppress(TimedOut):
        poll(
            lambda: service(found) is not None or any(last_words(found)), Deadline.after(START_SECONDS), doing
        )
        poll(lambda: _is_ready(found) or service(found) is None, Deadline.after(OPEN_SECONDS), doing)
    if _is_ready(found):
        return
    why, hint = last_words(found)
    raise Unavailable(
        f"the service of {found.name} did not start: {why or 'it does not say why'}",
        hint=hint or f"see {log_of(found)}",
    )


def last_words(found: LoadedClass) -> tuple[str, str]:
    """Return why the service ended the last time, and what to do, as its log has it, or "" for either."""
    log = log_of(found)
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    at = max((at for at, line in enumerate(lines) if line.startswith(_COMPLAINT)), default=None)
    if at is None:
        return "", ""
    hints = [line.removeprefix(_HINT) for line in lines[at + 1 :] if line.startswith(_HINT)]
    return lines[at].removeprefix(_COMPLAINT), hints[0] if hints else ""


def stop_service(found: LoadedClass) -> bool:
    """End the class's service, if it runs; returns whether it did. Raises Unavailable if it does not end."""
    pid = service(found)
    if pid == os.getpid():
        return False
    (class_state(found) / _WANTED).unlink(missing_ok=True)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    try:
        poll(
            lambda: service(found) is None, Deadline.after(END_SECONDS), f"ending the service of {found.name}"
        )
    except TimedOut:
        if not process_table.end(pid, patience=1.0):
            raise Unavailable(f"the service of {found.name} (process {pid}) cannot be ended") from None
    return True
