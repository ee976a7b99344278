"""Working folders that end with their owner: removed when done, and by ``gc`` when it was killed.

A lock on a file inside says that the owner lives; the kernel lets go of it when it does not.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from orchestrator.paths import scratch_dir

LOCK = ".owner"
_WORKING = re.compile(r"[a-z]+-[a-z0-9_]{8}")
"""Their names: a purpose, and what mkdtemp(3) of Python adds. Those of runs begin with a date."""


@contextlib.contextmanager
def working_folder(purpose: str) -> Iterator[Path]:
    """A folder in scratch for the length of a ``with`` block; ``purpose``, in letters, begins its name."""
    folder, lock = _begin(purpose)
    with lock:
        try:
            yield folder
        finally:
            remove(folder)


def _begin(purpose: str) -> tuple[Path, TextIO]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=scratch_dir()))
        # Until it is locked, `gc` takes it for one whose owner was killed.
        with contextlib.suppress(FileNotFoundError):
            lock = (folder / LOCK).open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (folder / LOCK).exists():
                return folder, lock
            lock.close()


def remove(folder: Path) -> None:
    """Remove a working folder, what says whose it is last: whoever is killed on the way leaves one that
    can be told from others."""
    with contextlib.suppress(OSError):
        for path in [path for path in folder.iterdir() if path.name != LOCK]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def abandoned() -> Iterator[Path]:
    """Working folders whose owner is gone; whoever asks removes them."""
    for path in scratch_dir().glob(f"*/{LOCK}"):
        with contextlib.suppress(OSError), path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path.parent
    for path in scratch_dir().iterdir():  # killed when it was just made, or all but gone
        if _WORKING.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.rmdir()  # which takes nothing but an empty one
                yield path
