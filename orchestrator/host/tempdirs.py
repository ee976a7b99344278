"""Working folders tied to their owner: removed when done, or by ``gc`` if the owner was killed.

A lock on a file inside shows that the owner lives; the kernel releases it when the owner dies.
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
