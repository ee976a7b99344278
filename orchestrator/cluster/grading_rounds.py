"""Which hosts were sent something for a round of grading, noted before it is sent: whoever grades next
removes what a killed `grade`, or a host that was away, has left.

Whoever grades holds a lock on the note, which the kernel releases when it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from orchestrator.paths import make_folder

FOLDER = "rounds"

Forget = Callable[[str, Iterable[str]], Iterable[str]]
"""Has hosts forget a run; returns those that could not be told."""


@contextlib.contextmanager
def noted(folder: Path, run: str, hosts: Iterable[str], forget: Forget) -> Iterator[None]:
    """Note that these hosts are sent something of a run for a ``with`` block, and have them ``forget`` it in
    the end. ``folder`` is the cluster's state folder. Raises OSError."""
    make_folder(folder / FOLDER, 0o700, exist_ok=True)
    path, names = folder / FOLDER / run, sorted(hosts)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("\n".join(names))
        file.flush()
        try:
            yield
        finally:
            _end(path, run, names, forget)


def clear_abandoned(folder: Path, forget: Forget) -> None:
    """Have hosts ``forget`` what is noted of rounds whose `grade` is gone. Raises OSError."""
    for path in sorted((folder / FOLDER).glob("*")):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if names := file.read().split():  # an empty one was just made: its owner is about to lock it
                _end(path, path.name, names, forget)


def _end(path: Path, run: str, names: Iterable[str], forget: Forget) -> None:
    left = sorted(forget(run, names))
    if left:
        path.write_text("\n".join(left))
    else:
        path.unlink(missing_ok=True)
