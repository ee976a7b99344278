"""Removing what killed runs left behind, by the ledger and by the tags on things themselves."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Iterator

from orchestrator import drivers, hostproc
from orchestrator.canaries import plot
from orchestrator.canaries.garden import PURPOSE
from orchestrator.drivers import TAG, Handle
from orchestrator.errors import LabError, TeardownError
from orchestrator.ledger import Ledger
from orchestrator.paths import cache_dir, scratch_dir
from orchestrator.scratch import abandoned

_RUN_FOLDER = re.compile(r"^\d{8}-\d{6}-[0-9a-f]{4}$")


def reclaim(ledger: Ledger, *, only_dead_owners: bool = False) -> Iterator[str]:
    """Remove leftovers, naming each as it goes.

    A machine whose run is still alive is never touched. With ``only_dead_owners`` just the
    ledger's word is taken, which is quick; else the host is searched for our tags as well.
    Raises TeardownError at the end for what could not be removed.
    """
    failures: list[str] = []
    live_runs: set[str] = set()
    for intent in ledger.intents():
        if intent.owner_alive:
            live_runs.add(intent.handle.run)
        elif _down(intent.handle, failures):
            ledger.settle(intent.handle)
            yield f"machine {intent.handle.machine} of run {intent.handle.run} ({intent.handle.driver})"
    if not only_dead_owners:
        for handle in _tagged(failures):
            if handle.run not in live_runs and _down(handle, failures):
                yield f"{handle.driver} machine {handle.machine} of run {handle.run}, which no ledger knew"
        yield from _canaries(live_runs)
        yield from _half_made()
        for folder in abandoned():
            if folder.name.startswith(f"{PURPOSE}-"):
                yield from plot.undo(folder)
            shutil.rmtree(folder, ignore_errors=True)
            yield f"working folder {folder}"
    yield from _folders(live_runs)
    if failures:
        raise TeardownError("some leftovers could not be removed:\n" + "\n".join(failures))


def _down(handle: Handle, failures: list[str]) -> bool:
    try:
        drivers.load(handle.driver).down(handle)
    except LabError as problem:
        failures.append(problem.message)
        return False
    return True


def _tagged(failures: list[str]) -> Iterator[Handle]:
    for name in drivers.DRIVERS:
        try:
            yield from list(drivers.load(name).leftovers())
        except LabError as problem:
            failures.append(problem.message)


def _canaries(live_runs: set[str]) -> Iterator[str]:
    def ours(pid: int) -> bool:
        words = hostproc.arguments(pid)
        prefix = f"{TAG}-canary-"
        return (
            words[1:] == ["--canary"]
            and words[0].startswith(prefix)
            and words[0][len(prefix) :] not in live_runs
            # One that still has its parent belongs to a run in another ledger.
            and hostproc.parent(pid) == 1
        )

    for pid in list(hostproc.find(ours)):
        if hostproc.end(pid, patience=0):
            yield f"canary process {pid}"


def _folders(live_runs: set[str]) -> Iterator[str]:
    """Scratch folders of runs that are over, without anything living in them."""
    for folder in scratch_dir().iterdir():
        if not _RUN_FOLDER.match(folder.name) or folder.name in live_runs:
            continue
        if any(True for _ in hostproc.find(hostproc.lives_in(str(folder)))):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        yield f"scratch folder {folder}"


def _half_made() -> Iterator[str]:
    """Cache folders whose maker was killed: named ``.KEY-random``, with nobody holding the lock."""
    for folder in cache_dir().glob("*/.*-*"):
        kind, key = folder.parent.name, folder.name[1:].rsplit("-", 1)[0]
        with contextlib.suppress(OSError), (cache_dir() / "locks" / f"{kind}-{key}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            yield f"half-made {kind} {key}"
