"""The journal: one row for each machine that exists or is about to.

One SQLite file per user, with one table. A row is written before anything of its machine is created,
and goes only after ``down`` said that the machine is gone. A row whose owner process is dead is what
``isolab gc`` cleans up. Owners are known by process id *and* start time, for process ids are used
again (proc(5), field 22). A machine that is to outlive the process that made it is *kept*: its owner
is the user, and only ``isolab down`` removes it. What it was wanted as (its session, lab and order)
stands in the same row, so that any later process finds it by name and can make it anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestrator.drivers.model import Handle, Order
from orchestrator.host.sqlite import Database
from orchestrator.machines import journal_table, old_state
from orchestrator.machines.journal_table import Row
from orchestrator.paths import state_dir

_ORDER = TypeAdapter(Order)


@dataclass(frozen=True)
class Membership:
    """A machine's place in a session, and how to make it anew.

    ``lab`` is the lab file's path, ``logs`` the folder of its logs, ``since`` when it was last made
    (ISO 8601, with the offset from UTC). ``order`` is None when another version of isolab wrote it
    and we cannot read it.
    """

    session: str
    lab: str
    logs: Path
    order: Order | None
    since: str


def member_of(session: str, lab: str, order: Order) -> Membership:
    """The place in a session of a machine that is made now."""
    return Membership(session, lab, order.logs, order, time.strftime("%Y-%m-%dT%H:%M:%S%z"))


@dataclass(frozen=True)
class JournalEntry:
    """One row: a machine or network, whether the process that makes or uses it still lives, whether
    it is kept without one, and its place in a session, if it has one."""

    handle: Handle
    owner_alive: bool
    kept: bool = False
    membership: Membership | None = None


class Journal:
    """The journal's file. Safe to use from several threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises Unavailable when there is state of an older isolab that cannot be read."""
        self._path = path or state_dir() / "machines.db"
        self._database = Database(self._path, journal_table.SCHEMA)
        self._of_older_isolab()

    def intend(self, handle: Handle, membership: Membership | None = None) -> None:
        """Write down that this machine is about to be created, by us."""
        pid = os.getpid()
        row = Row(
            run=handle.run,
            name=handle.machine,
            handle=handle.to_json(),
            owner_pid=pid,
            owner_start=start_time(pid),
            kept=False,
            **(_columns(membership) if membership is not None else {}),
        )
        with self._database.opened() as database:
            journal_table.write(database, row)

    def keep(self, handles: Iterable[Handle]) -> None:
        """From now on these machines need no owner; all of them or, if we are killed, none."""
        with self._database.opened() as database:
            database.executemany(
                "UPDATE machines SET handle = ?, owner_pid = 0, owner_start = '', kept = TRUE "
                "WHERE run = ? AND name = ?",
                ((handle.to_json(), handle.run, handle.machine) for handle in handles),
            )

    def forget(self, handle: Handle) -> None:
        """The machine is gone."""
        with self._database.opened() as database:
            database.execute("DELETE FROM machines WHERE run = ? AND name = ?", (handle.run, handle.machine))

    def entries(self) -> list[JournalEntry]:
        """Every machine that was to be created and is not known to be gone, oldest first.

        Those of an older isolab that still runs are among them. Raises Unavailable when its state
        cannot be read.
        """
        elsewhere = self._of_older_isolab()
        with self._database.opened() as database:
            rows = database.execute(
                f"SELECT {journal_table.COLUMNS} FROM machines ORDER BY created, rowid"
            ).fetchall()
        # A row may have been moved between the two looks.
        known = {(row.run, row.name): row for row in [*elsewhere, *(Row(*row) for row in rows)]}
        return [_entry(row) for row in known.values()]

    def _of_older_isolab(self) -> list[Row]:
        return old_state.take_over(self._database, self._path.parent, start_time)


def _columns(place: Membership) -> dict[str, str]:
    assert place.order is not None
    wanted = _ORDER.dump_json(place.order).decode()
    return {
        "session": place.session,
        "lab": place.lab,
        "logs": str(place.logs),
        "wanted": wanted,
        "since": place.since,
    }


def _entry(row: Row) -> JournalEntry:
    place = None
    if row.session is not None:
        order = _order(row.wanted or "")
        place = Membership(row.session, row.lab or "", Path(row.logs or ""), order, row.since or "")
    alive = not row.kept and start_time(row.owner_pid) == row.owner_start
    return JournalEntry(Handle.from_json(row.handle), alive, bool(row.kept), place)


def _order(text: str) -> Order | None:
    try:
        return _ORDER.validate_json(text)
    except ValidationError:
        return None


def start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot and with the boot's id; "" if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    fields = text.rsplit(")", 1)[1].split()
    return "" if fields[0] == "Z" else f"{boot}:{fields[19]}"
