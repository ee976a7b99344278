"""The controller's journal of one run on a cluster: which unit it gave to whom, in which epoch.

Whoever carries the run out holds a lock on the file, which the kernel releases when it dies: as long as it is
held the supervisor prolongs the leases of the run's guests.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.paths import make_folder

FOLDER, SUFFIX = "runs", ".jsonl"


@dataclass(frozen=True)
class RunJournal:
    """The open journal of a run."""

    file: IO[str]

    def note(self, unit: str, epoch: int, host: str, what: str) -> None:
        """Write down that a unit was "given" to a host in an epoch, is "ended" or "lost" there."""
        self.file.write(json.dumps({"unit": unit, "epoch": epoch, "host": host, "what": what}) + "\n")
        self.file.flush()


@contextlib.contextmanager
def run_journal(folder: Path, run: str) -> Iterator[RunJournal]:
    """Hold the journal of a run for a ``with`` block, and remove it in the end. ``folder`` is the cluster's
    state folder."""
    make_folder(folder / FOLDER, 0o700, exist_ok=True)
    path = folder / FOLDER / f"{run}{SUFFIX}"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield RunJournal(file)
        path.unlink(missing_ok=True)


def running(folder: Path) -> list[str]:
    """Return the runs that are carried out now; the journals of those that were killed are removed."""
    found = []
    for path in sorted((folder / FOLDER).glob(f"*{SUFFIX}")):
        with contextlib.suppress(FileNotFoundError), path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(path.name.removesuffix(SUFFIX))
                continue
            if path.stat().st_size:  # an empty one was just made: its owner is about to lock it
                path.unlink(missing_ok=True)
    return found
