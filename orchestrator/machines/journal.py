"""The journal: one row for each machine that exists or is about to.

One SQLite file per user, with one table. A row is written before anything of its machine is created,
and deleted only after ``down`` has confirmed that the machine is gone. A row whose owner process is
dead is what ``isolab gc`` cleans up. Owners are identified by process id *and* start time, because
process ids are reused (proc(5), field 22), and by their PID namespace, because a container that shares the
state folder numbers its processes itself. A machine that outlives the process that created it is
*kept*: its owner is the user, and only ``isolab down`` removes it. Its session, lab and order are in
the same row, so that any later process finds it by name and can recreate it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestrator.drivers.model import Handle, Order
from orchestrator.host import process_table
from orchestrator.host.boot import boot_id
from orchestrator.host.sqlite import Database
from orchestrator.machines import journal_table, old_state
from orchestrator.machines.journal_table import JournalRow
from orchestrator.paths import state_dir

_ORDER = TypeAdapter(Order)


@dataclass(frozen=True)
class SessionMember:
    """A machine's membership in a session, and how to recreate it.

    ``lab`` is the lab file's path, ``logs`` the folder of its logs, ``since`` when it was last
    created (ISO 8601, with the offset from UTC). ``order`` is None if another version of isolab wrote
    it in a form this one cannot read.
    """

    session: str
    lab: str
    logs: Path
    order: Order | None
    since: str


def member_of(session: str, lab: str, order: Order) -> SessionMember:
    """Return the session membership of a machine created now."""
    return SessionMember(session, lab, order.logs, order, time.strftime("%Y-%m-%dT%H:%M:%S%z"))


@dataclass(frozen=True)
class JournalEntry:
    """One row: a machine or network, whether the process that owns it is alive, whether it is kept
    without an owner, and its session membership, if any."""

    handle: Handle
    owner_alive: bool
    kept: bool = False
    member: SessionMember | None = None


class Journal:
    """The journal file. Safe to use from several threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the journal. Raises Unavailable if state of an older isolab cannot be read."""
        self._path = path or state_dir() / "machines.db"
        self._database = Database(self._path, journal_table.SCHEMA)
        self._of_older_isolab()

    def intend(self, handle: Handle, member: SessionMember | None = None) -> None:
        """Record that this process is about to create this machine."""
        pid = os.getpid()
        row = JournalRow(
            run=handle.run,
            name=handle.machine,
            handle=handle.to_json(),
            owner_pid=pid,
            owner_start=start_time(pid),
            kept=False,
            **(_columns(member) if member is not None else {}),
        )
        with self._database.opened() as database:
            journal_table.write(database, row)

    def keep(self, handles: Iterable[Handle]) -> None:
        """Mark these machines as kept, in one transaction: all, or (if killed) none."""
        with self._database.opened() as database:
            database.executemany(
                "UPDATE machines SET handle = ?, owner_pid = 0, owner_start = '', kept = TRUE "
                "WHERE run = ? AND name = ?",
                ((handle.to_json(), handle.run, handle.machine) for handle in handles),
            )

    def forget(self, handle: Handle) -> None:
        """Delete the row of a machine that is gone."""
        with self._database.opened() as database:
            database.execute("DELETE FROM machines WHERE run = ? AND name = ?", (handle.run, handle.machine))

    def entries(self) -> list[JournalEntry]:
        """Return every machine not known to be gone, oldest first, including those about to be created.

        Includes those of an older isolab that still runs. Raises Unavailable if its state cannot be
        read.
        """
        elsewhere = self._of_older_isolab()
        with self._database.opened() as database:
            rows = database.execute(
                f"SELECT {journal_table.COLUMNS} FROM machines ORDER BY created, rowid"
            ).fetchall()
        # A row may have been moved between the two reads.
        known = {(row.run, row.name): row for row in [*elsewhere, *(JournalRow(*row) for row in rows)]}
        return [_entry(row) for row in known.values()]

    def _of_older_isolab(self) -> list[JournalRow]:
        return old_state.take_over(self._database, self._path.parent, lives)


def _columns(member: SessionMember) -> dict[str, str]:
    assert member.order is not None
    wanted = _ORDER.dump_json(member.order).decode()
    return {
        "session": member.session,
        "lab": member.lab,
        "logs": str(member.logs),
        "wanted": wanted,
        "since": member.since,
    }


def _entry(row: JournalRow) -> JournalEntry:
    member = None
    if row.session is not None:
        order = _order(row.wanted or "")
        member = SessionMember(row.session, row.lab or "", Path(row.logs or ""), order, row.since or "")
    alive = not row.kept and lives(row.owner_pid, row.owner_start)
    return JournalEntry(Handle.from_json(row.handle), alive, bool(row.kept), member)


def _order(text: str) -> Order | None:
    try:
        return _ORDER.validate_json(text)
    except ValidationError:
        return None


def lives(pid: int, started: str) -> bool:
    """Return whether the process that had this id when ``start_time`` returned ``started`` still lives.

    One in a PID namespace we cannot look into is taken to live until the host restarts.
    """
    boot, _, rest = started.partition(":")
    ticks, _, namespace = rest.partition(":")
    if not boot or boot != _boot():
        return False
    if namespace in ("", _namespace("self")):
        return _ticks(pid) == ticks
    if _namespace("self") != _INITIAL:
        return True
    # From the initial namespace all others are visible, by other numbers.
    return any(True for _ in process_table.find(lambda seen: _is_there(seen, pid, ticks, namespace)))


def start_time(pid: int) -> str:
    """Return when a process of our PID namespace started, as boot id, clock ticks since boot and the
    namespace's number; "" if it is gone."""
    ticks = _ticks(pid)
    return f"{_boot()}:{ticks}:{_namespace('self')}" if ticks else ""


_INITIAL = "4026531836"
"""Number of the host's first PID namespace: PROC_PID_INIT_INO in the kernel's proc_ns.h."""


def _boot() -> str:
    try:
        return boot_id()
    except OSError:
        return ""


def _ticks(pid: int) -> str:
    try:
        fields = process_table.stat_fields(pid)
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _namespace(process: int | str) -> str:
    """Return the number of a process's PID namespace; "" if we may not know it."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{process}/ns/pid").readlink()).removeprefix("pid:[").removesuffix("]")
    return ""


def _is_there(seen: int, pid: int, ticks: str, namespace: str) -> bool:
    """Whether the process we see as ``seen`` has the id ``pid`` in its own namespace, this one."""
    if _ticks(seen) != ticks or _namespace(seen) not in (namespace, ""):
        return False
    status = Path(f"/proc/{seen}/status").read_text()
    return any(line.split()[-1] == str(pid) for line in status.splitlines() if line.startswith("NSpid:"))
