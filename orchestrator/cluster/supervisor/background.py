"""The supervisor of a cluster in the background: one for each hosts file. Whoever holds the lock is it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from orchestrator.cluster.installed import fingerprint
from orchestrator.cluster.paths import SUPERVISOR_LOCK, SUPERVISOR_LOG
from orchestrator.cluster.scheduling.settings import require_dask
from orchestrator.cluster.supervisor.state_file import ClusterStatus, status
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.cache import digest
from orchestrator.host.keeper import render_kept

START_SECONDS, END_SECONDS = 30.0, 30.0
LOCK_SECONDS = 1.0
AGAIN_SECONDS = 1
"""After what time a supervisor that was killed is started again: guests outlive it by their lease only."""
_WANTED = "supervisor.wanted"
_PROGRAM = "from orchestrator.cluster.supervisor.serve import main; main()"


@contextlib.contextmanager
def being_the_supervisor(folder: Path, file: Path) -> Iterator[None]:
    """Be a cluster's supervisor for a ``with`` block; ``folder`` is its state folder, ``file`` its hosts
    file. Raises Unavailable if another process is."""
    with (folder / SUPERVISOR_LOCK).open("a+") as lock:
        try:
            poll(lambda: _locks(lock), Deadline.after(LOCK_SECONDS), "taking the supervisor's lock")
        except TimedOut:
            raise Unavailable("this cluster has a supervisor already") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()} {_version(file)}")
        lock.flush()
        yield
        lock.truncate(0)


def supervisor(folder: Path) -> int | None:
    """Return the process id of a cluster's supervisor; None if there is none."""
    found = _holder(folder)
    return found[0] if found else None


def wanted(folder: Path) -> bool:
    """Return whether a cluster is to be up: its supervisor is started again when it is killed."""
    return (folder / _WANTED).exists()


def start(file: Path, folder: Path) -> bool:
    """Start the supervisor of a hosts file, unless it runs; one that has read another version of the file is
    replaced. Returns whether it was started. Raises Unavailable, with its last words, if it does not."""
    require_dask()
    found = _holder(folder)
    if found and found[1] == _version(file):
        return False
    stop(folder)
    log = folder / SUPERVISOR_LOG
    log.unlink(missing_ok=True)
    deadline = Deadline.after(START_SECONDS)
    words = [sys.executable, "-c", _PROGRAM, str(file.resolve())]
    mark = folder / _WANTED
    mark.touch()
    process.detach(render_kept(words, mark, AGAIN_SECONDS, "the supervisor"), log, deadline)
    with contextlib.suppress(TimedOut):
        what = "starting the cluster's supervisor"
        poll(lambda: status(folder).runs or not wanted(folder), deadline, what, interval=0.05)
    if not status(folder).runs:
        raise Unavailable(f"the cluster's supervisor did not start: {last_words(folder)}", hint=f"see {log}")
    return True


def give_up(folder: Path) -> None:
    """As a supervisor that cannot do its work: nobody is to wait for it, nor start it again. Nothing if there
    is another one."""
    if supervisor(folder) is None:
        (folder / _WANTED).unlink(missing_ok=True)


def wait_until_settled(
    folder: Path, deadline: Deadline, tell: Callable[[ClusterStatus], None]
) -> ClusterStatus:
    """Wait until everything is up or it is known why not; ``tell`` is called with each look. Raises
    Unavailable if the supervisor ends meanwhile, TimedOut, Interrupted."""
    while True:
        found = status(folder)
        if not found.runs:
            raise Unavailable(
                f"the cluster's supervisor ended: {last_words(folder)}", hint=f"see {folder / SUPERVISOR_LOG}"
            )
        tell(found)
        if found.settled:
            return found
        deadline.check("waiting for the cluster's hosts")
        deadline.cancellation.wait(0.1)


def stop(folder: Path) -> bool:
    """End a cluster's supervisor with its workers and its scheduler; returns whether there was one. Raises
    Unavailable if it does not end."""
    (folder / _WANTED).unlink(missing_ok=True)
    pid = supervisor(folder)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    try:
        poll(
            lambda: supervisor(folder) is None, Deadline.after(END_SECONDS), "ending the cluster's supervisor"
        )
    except TimedOut:
        if not process_table.end(pid, patience=1.0):
            raise Unavailable(f"the cluster's supervisor (process {pid}) cannot be ended") from None
    return True


def last_words(folder: Path) -> str:
    """Return the last line of the supervisor's log."""
    with contextlib.suppress(OSError):
        if lines := (folder / SUPERVISOR_LOG).read_text(errors="replace").strip().splitlines():
            return lines[-1]
    return "it said nothing"


def _holder(folder: Path) -> tuple[int, str] | None:
    """Return the process that holds the lock, and which version of the hosts file it has read."""
    with contextlib.suppress(FileNotFoundError), (folder / SUPERVISOR_LOCK).open("r+") as lock:
        if not _locks(lock):
            pid, _, version = lock.read().partition(" ")
            return (int(pid), version) if pid.isdecimal() else None
    return None


def _version(file: Path) -> str:
    """Return what a supervisor has read: of another hosts file, or another isolab, it is replaced."""
    return digest(file.read_bytes() if file.is_file() else b"", fingerprint())


def _locks(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
