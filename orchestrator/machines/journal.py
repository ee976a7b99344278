"""The journal: what we are about to create is written down before it is created.

One SQLite file per user. A row is an intent; it goes away only after ``down`` said that the
thing is gone. A row whose owner process is dead is what ``isolab gc`` cleans up. Owners are
known by process id *and* start time, for process ids are used again (proc(5), field 22). A machine
that is to outlive the process that made it is *kept*: its owner is the user, and only ``down``
removes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.drivers.model import Handle
from orchestrator.host.sqlite import Database
from orchestrator.paths import state_dir

_KEPT = "kept"
"""In place of an owner's start time."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS intents (
    run TEXT NOT NULL, machine TEXT NOT NULL, handle TEXT NOT NULL,
    owner_pid INTEGER NOT NULL, owner_start TEXT NOT NULL,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (run, machine)
)
"""


@dataclass(frozen=True)
class Intent:
    """One journalled machine, whether the process that wanted it still lives, and whether it is
    kept without."""

    handle: Handle
    owner_alive: bool
    kept: bool = False


class Ledger:
    """The journal file. Safe to use from several threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        self._database = Database(path or state_dir() / "ledger.db", _SCHEMA)

    def intend(self, handle: Handle) -> None:
        """Write down that this machine is about to be created, by us."""
        pid = os.getpid()
        row = (handle.run, handle.machine, handle.to_json(), pid, start_time(pid))
        with self._database.opened() as database:
            database.execute(
                "INSERT OR REPLACE INTO intents (run, machine, handle, owner_pid, owner_start) "
                "VALUES (?, ?, ?, ?, ?)",
                row,
            )

    def keep(self, handles: Iterable[Handle]) -> None:
        """From now on these machines need no owner; all of them or, if we are killed, none."""
        with self._database.opened() as database:
            database.executemany(
                "UPDATE intents SET handle = ?, owner_pid = 0, owner_start = ? WHERE run = ? AND machine = ?",
                [(handle.to_json(), _KEPT, handle.run, handle.machine) for handle in handles],
            )

    def settle(self, handle: Handle) -> None:
        """The machine is gone: forget it."""
        with self._database.opened() as database:
            database.execute(
                "DELETE FROM intents WHERE run = ? AND machine = ?", (handle.run, handle.machine)
            )

    def intents(self) -> list[Intent]:
        """Everything that was to be created and is not known to be gone."""
        with self._database.opened() as database:
            rows = database.execute(
                "SELECT handle, owner_pid, owner_start FROM intents ORDER BY created"
            ).fetchall()
        return [
            Intent(Handle.from_json(text), start != _KEPT and start_time(pid) == start, start == _KEPT)
            for text, pid, start in rows
        ]


def start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot and with the boot's id; "" if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    fields = text.rsplit(")", 1)[1].split()
    return "" if fields[0] == "Z" else f"{boot}:{fields[19]}"
