"""Keys of a cluster are made once, though threads and processes may want them first at the same time."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

LOCK = "keys.lock"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one for a ``with`` block that makes keys in this folder."""
    with (folder / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of this opening of the file: other threads wait as well
        yield
