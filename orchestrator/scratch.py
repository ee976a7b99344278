"""Working folders that end with their owner: removed when done, and by ``gc`` when it was killed.

A lock on a file inside says that the owner lives; the kernel lets go of it when it does not.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.paths import scratch_dir

LOCK = ".owner"


@contextlib.contextmanager
def working_folder(purpose: str) -> Iterator[Path]:
    """A folder in scratch for the length of a ``with`` block."""
    folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=scratch_dir()))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def abandoned() -> Iterator[Path]:
    """Working folders whose owner is gone; whoever asks removes them."""
    for path in scratch_dir().glob(f"*/{LOCK}"):
        with contextlib.suppress(OSError), path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path.parent
