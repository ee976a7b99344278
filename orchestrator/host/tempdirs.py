"""Working folders tied to their owner: removed when done, or by ``gc`` if the owner was killed.

A lock on a file inside shows that the owner lives; the kernel releases it when the owner dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.paths import scratch_dir

LOCK = ".owner"
RUN_FOLDER = re.compile(r"\d{8}-\d{6}-(?:[0-9a-z]{6}|[0-9a-f]{4})")
"""The names of runs' scratch folders; at first they ended in four digits."""
_WORKING = re.compile(r"[a-z]+-[a-z0-9_]{8}")
"""Their names: a purpose, and the suffix of Python's mkdtemp. Folders of runs start with a date."""


@contextlib.contextmanager
def working_folder(purpose: str) -> Iterator[Path]:
    """Provide a scratch folder for a ``with`` block; ``purpose``, letters only, starts its name."""
    folder, lock = _begin(purpose)
    with lock:
        try:
            yield folder
        finally:
            remove(folder)


def _begin(purpose: str) -> tuple[Path, TextIO]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=scratch_dir()))
        # Until it is locked, `gc` may take its owner for dead and remove it.
        with contextlib.suppress(FileNotFoundError):
            lock = (folder / LOCK).open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (folder / LOCK).exists():
                return folder, lock
            lock.close()


def remove(folder: Path) -> None:
    """Remove a working folder, its lock file last: if we are killed meanwhile, the rest is still
    recognised as a working folder."""
    with contextlib.suppress(OSError):
        for path in [path for path in folder.iterdir() if path.name != LOCK]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def abandoned() -> Iterator[Path]:
    """Yield working folders whose owner is gone; the caller removes them."""
    for path in scratch_dir().glob(f"*/{LOCK}"):
        with contextlib.suppress(OSError), path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path.parent
    for path in scratch_dir().iterdir():  # killed just after its creation, or almost removed
        if _WORKING.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.rmdir()  # which takes nothing but an empty one
                yield path


def held(scratch: Path) -> list[Path]:
    """Return the working folders beneath a scratch folder whose owner lives."""
    found = []
    for path in scratch.glob(f"*/{LOCK}"):
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(path.parent)
    return found


def require_reachable(folder: Path, uid: int) -> None:
    """Check that this user can reach a folder of ours. Raises Unavailable; only root can check."""
    closed = _closed(folder, uid)
    if closed is None:
        return
    # An access control list may say otherwise than the mode.
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    entered = process.run([*become, "test", "-x", folder], deadline=Deadline.after(10), check=False)
    if entered.code != 0:
        raise Unavailable(
            f"user {uid}, as whom isolab runs programs when it is root, cannot reach {folder}: "
            f"{closed} keeps others out (mode {stat.S_IMODE(closed.stat().st_mode):04o})",
            hint="set ISOLAB_SCRATCH to a folder everyone can pass, such as /tmp/isolab",
        )


def _closed(folder: Path, uid: int) -> Path | None:
    """Return the first folder on the way whose mode keeps out this user, and the group of its number."""
    for above in [*reversed(folder.parents), folder]:
        about = above.stat()
        bit = stat.S_IXUSR if about.st_uid == uid else stat.S_IXGRP if about.st_gid == uid else stat.S_IXOTH
        if not about.st_mode & bit:
            return above
    return None
