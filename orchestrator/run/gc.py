"""Garbage collection: remove what killed runs left behind, found by the journal and by the ownership token.

What carries another token is another state folder's: nothing here touches it, unless ``reclaim_foreign`` is
told to.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from orchestrator import drivers
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Forgetting
from orchestrator.drivers.model import TAG, Handle
from orchestrator.errors import LabError, TeardownError, Unreachable
from orchestrator.exercises.canaries import base
from orchestrator.exercises.canaries.manager import PURPOSE
from orchestrator.host import process_table
from orchestrator.host.tempdirs import RUN_FOLDER, abandoned, remove
from orchestrator.machines.journal import Journal, JournalEntry
from orchestrator.paths import cache_dir, scratch_dir
from orchestrator.progress import Progress

COMMAND_SECONDS = 30.0
"""How long to wait for a command of a killed isolab to end by itself."""


def reclaim(journal: Journal, *, only_dead_owners: bool = False, forget: bool = False) -> Iterator[str]:
    """Remove leftovers, yielding the name of each.

    A machine whose run is still alive, or that is kept, is never touched, nor what another state folder
    owns. With ``only_dead_owners`` only the journal is used, which is quick; otherwise the host is searched
    for isolab's tags and our ownership token as well. ``forget`` gives up what is on remote machines that
    do not respond. Raises TeardownError at the end for what could not be removed or is still in use,
    Unreachable if all of that is remote.
    """
    removal = _Removal(forget)
    entries = journal.entries()
    # Machines first: they work on the networks.
    for entry in sorted(entries, key=lambda each: each.handle.is_network):
        handle = entry.handle
        if entry.owner_alive or entry.kept:
            continue
        if removal.of(handle):
            journal.forget(handle)
            _remove_logs(entry, entries)
            yield f"machine {handle.machine} of run {handle.run} ({handle.driver})"
    if not only_dead_owners:
        yield from _unjournalled(scratch_dir(), lambda: _live_runs(journal), removal)
        yield from _canaries(lambda: _live_runs(journal))
        yield from _incomplete()
        yield from _working_folders()
    yield from _folders(journal, removal, tell=not only_dead_owners)
    removal.complain()


def reclaim_killed(journal: Journal, progress: Progress) -> None:
    """Remove the machines that killed commands left, and tell of each; what is out of reach is told too, for
    whoever comes next may not need it. Raises TeardownError."""
    try:
        for gone in reclaim(journal, only_dead_owners=True):
            progress.tell(f"removed what an earlier run left behind: {gone}")
    except Unreachable as later:
        progress.tell(later.describe())


def reclaim_foreign(scratch: Path) -> Iterator[str]:
    """Remove everything that carries the token of another state folder's scratch folder, and that folder.

    The caller knows that nobody uses it. Raises TeardownError for what could not be removed.
    """
    removal = _Removal(forget=False)
    yield from _unjournalled(scratch, set, removal)
    removal.complain()
    shutil.rmtree(scratch, ignore_errors=True)
    yield f"scratch folder {scratch}"


@dataclass
class _Removal:
    """Takes machines down, and notes which could not be; ``forget``: gives up those that are out of reach."""

    forget: bool
    failures: list[TeardownError] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def of(self, handle: Handle) -> bool:
        """Take a machine down; returns whether it is gone."""
        driver = drivers.load(handle.driver)
        try:
            driver.down(handle)
            if _commands_end(handle):
                driver.down(handle)
            with contextlib.suppress(OSError):
                Path(handle.scratch).parent.rmdir()  # empty after the run's last machine
        except Unreachable as problem:
            if self.forget:
                cast(Forgetting, driver).forget(handle)
                return True
            self._note(handle, problem)
            return False
        except LabError as problem:
            self._note(handle, TeardownError(problem.message, hint=problem.hint))
            return False
        return True

    def _note(self, handle: Handle, problem: TeardownError) -> None:
        self.failures.append(problem)
        self.failed.add(handle.tag)

    def complain(self) -> None:
        """Raise TeardownError if there were failures."""
        if self.failures:
            words = "cannot remove some leftovers:\n" + "\n".join(f.describe() for f in self.failures)
            remote = all(isinstance(failure, Unreachable) for failure in self.failures)
            raise (Unreachable if remote else TeardownError)(words)


def _commands_end(handle: Handle) -> bool:
    """Wait for commands that a killed isolab had started for this machine, such as ``podman run``: they go
    on without it, and may still create what was just removed. Returns whether there were any.

    Raises TeardownError for those that do not end: to kill one could leave more than it removes.
    """
    above = process_table.ancestors()

    def working(pid: int) -> bool:
        words = process_table.arguments(pid)
        named = handle.tag in words or any(f"{handle.scratch}/" in f"{word}/" for word in words)
        return named and pid not in above and not process_table.with_terminal(pid)

    found = list(process_table.find(working))
    limit = time.monotonic() + COMMAND_SECONDS
    while left := [pid for pid in found if process_table.still(pid, working)]:
        if time.monotonic() > limit:
            names = ", ".join(f"process {pid} ({process_table.name_of(pid)})" for pid in left)
            raise TeardownError(
                f"{handle.machine}: still being worked on by {names}",
                hint=f"wait for it or end it (`kill {left[0]}`), then run `isolab gc` again",
            )
        time.sleep(0.1)
    return bool(found)


def _live_runs(journal: Journal) -> set[str]:
    return {entry.handle.run for entry in journal.entries() if entry.owner_alive or entry.kept}


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


def _unjournalled(scratch: Path, live: Callable[[], set[str]], removal: _Removal) -> Iterator[str]:
    for name in TRAITS:
        try:
            found = list(drivers.load(name).leftovers(scratch))
        except LabError as problem:
            removal.failures.append(TeardownError(problem.message, hint=problem.hint))
            continue
        # Asked after the search: a machine is journalled before it can be found.
        alive = live()
        for handle in sorted(found, key=lambda each: each.is_network):
            if handle.run in alive or handle.tag in removal.failed:
                continue
            if removal.of(handle):
                yield f"{handle.driver} machine {handle.machine} of run {handle.run}, not in any journal"


def _canaries(live: Callable[[], set[str]]) -> Iterator[str]:
    prefix = f"{TAG}-canary-{scratch_dir().name}-"

    def run_of(pid: int) -> str:
        words = process_table.arguments(pid)
        ours = words[1:] == ["--canary"] and words[0].startswith(prefix)
        # One that still has its parent belongs to a run that lives, though it has no machine now.
        return words[0].removeprefix(prefix) if ours and process_table.parent(pid) == 1 else ""

    found = dict(process_table.read(run_of))
    alive = live()
    for pid, run in found.items():
        if run not in alive and process_table.end(pid, patience=0):
            yield f"canary process {pid}"


def _folders(journal: Journal, removal: _Removal, *, tell: bool) -> Iterator[str]:
    """Remove scratch folders of finished runs that no process uses; ``tell`` of those in use."""
    found = [folder for folder in scratch_dir().iterdir() if RUN_FOLDER.fullmatch(folder.name)]
    # Read after the search: a run is journalled before it has a folder.
    known = {entry.handle.run for entry in journal.entries()}
    for folder in found:
        if folder.name in known or not folder.exists():
            continue
        users = list(process_table.find(_uses(str(folder))))
        if not users:
            shutil.rmtree(folder, ignore_errors=True)
            yield f"scratch folder {folder}"
        elif tell:
            names = ", ".join(f"process {pid} ({process_table.name_of(pid)})" for pid in users)
            removal.failures.append(
                TeardownError(
                    f"scratch folder {folder} is in use by {names}",
                    hint="run `isolab gc` again when it has ended",
                )
            )


def _uses(folder: str) -> Callable[[int], bool]:
    """Test whether a process works in a folder or has it in its arguments: an emulator works elsewhere."""
    lives, mark, above = process_table.lives_in(folder), f"{folder}/", process_table.ancestors()
    return lambda pid: (
        pid not in above and (lives(pid) or any(mark in word for word in process_table.arguments(pid)))
    )


def _incomplete() -> Iterator[str]:
    """Remove cache folders whose creator was killed: named ``.KEY-random``, with the lock free."""
    for folder in cache_dir().glob("*/.*-*"):
        kind, key = folder.parent.name, folder.name[1:].rsplit("-", 1)[0]
        with contextlib.suppress(OSError), (cache_dir() / "locks" / f"{kind}-{key}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            yield f"incomplete {kind} {key}"
