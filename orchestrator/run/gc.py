"""Garbage collection: remove what killed runs left behind, found by the journal and by tags."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from orchestrator import drivers
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Forgetting
from orchestrator.drivers.model import TAG, Handle
from orchestrator.errors import LabError, TeardownError, Unreachable
from orchestrator.exercises.canaries import base
from orchestrator.exercises.canaries.manager import PURPOSE
from orchestrator.host import process_table
from orchestrator.host.tempdirs import abandoned, remove
from orchestrator.machines.journal import Journal, JournalEntry
from orchestrator.paths import cache_dir, scratch_dir

_RUN_FOLDER = re.compile(r"^\d{8}-\d{6}-[0-9a-f]{4}$")


def reclaim(journal: Journal, *, only_dead_owners: bool = False, forget: bool = False) -> Iterator[str]:
    """Remove leftovers, yielding the name of each.

    A machine whose run is still alive, or that is kept, is never touched. With ``only_dead_owners``
    only the journal is used, which is quick; otherwise the host is searched for isolab's tags as well.
    ``forget`` gives up what is on remote machines that do not respond. Raises TeardownError at the end
    for what could not be removed, Unreachable if all of that is remote.
    """
    failures: list[TeardownError] = []
    live_runs: set[str] = set()
    failed: set[str] = set()
    entries = journal.entries()
    for entry in entries:
        handle = entry.handle
        if entry.owner_alive or entry.kept:
            live_runs.add(handle.run)
        elif _down(handle, failures, forget):
            journal.forget(handle)
            _remove_logs(entry, entries)
            yield f"machine {handle.machine} of run {handle.run} ({handle.driver})"
        else:
            failed.add(handle.tag)
    if not only_dead_owners:
        for handle in _tagged(failures):
            if handle.run in live_runs or handle.tag in failed:
                continue
            if _down(handle, failures, forget):
                yield f"{handle.driver} machine {handle.machine} of run {handle.run}, not in any journal"
        yield from _canaries(live_runs)
        yield from _incomplete()
        yield from _working_folders()
    yield from _folders(live_runs)
    if failures:
        words = "cannot remove some leftovers:\n" + "\n".join(f.describe() for f in failures)
        raise (Unreachable if all(isinstance(f, Unreachable) for f in failures) else TeardownError)(words)


def _remove_logs(gone: JournalEntry, entries: Sequence[JournalEntry]) -> None:
    """Remove the logs of a session's machine, unless its replacement writes there."""
    alive = [entry.member for entry in entries if entry.owner_alive or entry.kept]
    if gone.member and gone.member.logs not in {member.logs for member in alive if member}:
        shutil.rmtree(gone.member.logs, ignore_errors=True)
        with contextlib.suppress(OSError):
            gone.member.logs.parent.rmdir()  # of the session's last machine


def _working_folders() -> Iterator[str]:
    for folder in abandoned():
        if folder.name.startswith(f"{PURPOSE}-"):
            yield from base.undo(folder)
        remove(folder)
        yield f"working folder {folder}"


def _down(handle: Handle, failures: list[TeardownError], forget: bool) -> bool:
    driver = drivers.load(handle.driver)
    try:
        driver.down(handle)
    except Unreachable as problem:
        if forget:
            cast(Forgetting, driver).forget(handle)
            return True
        failures.append(problem)
        return False
    except LabError as problem:
        failures.append(TeardownError(problem.message, hint=problem.hint))
        return False
    return True


def _tagged(failures: list[TeardownError]) -> Iterator[Handle]:
    for name in TRAITS:
        try:
            yield from list(drivers.load(name).leftovers())
        except LabError as problem:
            failures.append(TeardownError(problem.message, hint=problem.hint))


def _canaries(live_runs: set[str]) -> Iterator[str]:
    def ours(pid: int) -> bool:
        words = process_table.arguments(pid)
        prefix = f"{TAG}-canary-"
        return (
            words[1:] == ["--canary"]
            and words[0].startswith(prefix)
            and words[0][len(prefix) :] not in live_runs
            # One that still has its parent belongs to a run in another journal.
            and process_table.parent(pid) == 1
        )

    for pid in list(process_table.find(ours)):
        if process_table.end(pid, patience=0):
            yield f"canary process {pid}"


def _folders(live_runs: set[str]) -> Iterator[str]:
    """Remove scratch folders of finished runs that no process uses."""
    for folder in scratch_dir().iterdir():
        if not _RUN_FOLDER.match(folder.name) or folder.name in live_runs:
            continue
        if any(True for _ in process_table.find(_uses(str(folder)))):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        yield f"scratch folder {folder}"


def _uses(folder: str) -> Callable[[int], bool]:
    """Test whether a process works in a folder or has it in its arguments: a run of another journal
    may share our scratch folder, and an emulator works elsewhere."""
    lives, mark = process_table.lives_in(folder), f"{folder}/"
    return lambda pid: lives(pid) or any(mark in word for word in process_table.arguments(pid))


def _incomplete() -> Iterator[str]:
    """Remove cache folders whose creator was killed: named ``.KEY-random``, with the lock free."""
    for folder in cache_dir().glob("*/.*-*"):
        kind, key = folder.parent.name, folder.name[1:].rsplit("-", 1)[0]
        with contextlib.suppress(OSError), (cache_dir() / "locks" / f"{kind}-{key}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            yield f"incomplete {kind} {key}"
