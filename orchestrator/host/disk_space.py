"""Notice that a disk is full, and say which: what fills it may not."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import LabError

MIB = 2**20


class DiskFull(LabError):
    """A disk of this host has no room for what is to be written."""


@contextmanager
def room_for(what: str, most: int, folder: Path) -> Iterator[None]:
    """Require room for ``most`` bytes on a folder's disk, before the ``with`` block and for its errors: a
    program whose memory is a file is killed without a word when the disk is full (mmap(2), SIGBUS).

    Raises DiskFull.
    """
    _require(what, most, folder)
    try:
        yield
    except OSError as problem:
        if problem.errno == errno.ENOSPC:
            raise _full(what, most, folder) from None
        _require(what, most, folder)
        raise
    except LabError:
        _require(what, most, folder)
        raise


def _require(what: str, most: int, folder: Path) -> None:
    if shutil.disk_usage(folder).free < most:
        raise _full(what, most, folder)


def _full(what: str, most: int, folder: Path) -> DiskFull:
    free = shutil.disk_usage(folder).free
    return DiskFull(
        f"not enough space on the disk of {folder}: {what} may need {most // MIB} MiB, "
        f"{free // MIB} MiB are free",
        hint="free space with `isolab images prune`, or use another disk with ISOLAB_CACHE",
    )
