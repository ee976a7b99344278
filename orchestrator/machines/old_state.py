"""Migration of older state: ``ledger.db`` and ``stays.db``, moved into the journal row by row.

``ledger.db`` listed the machines that exist, ``stays.db`` those of sessions, with their orders. An
older isolab may still be running, or be started again from another checkout. It opens its files by
name for each transaction, so they are checked each time the journal is read:

- Rows whose owner is dead, and those of machines that are kept, move into the journal. Deleting them there
  and adding them here is one transaction over all three files, so a machine is always in one of them.
- Rows of a live owner stay where that process looks for them, and are only read.
- The files are removed once they have been empty and unmodified for a while.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.drivers.model import Handle
from orchestrator.errors import Unavailable
from orchestrator.host.sqlite import Database
from orchestrator.machines.journal_table import JournalRow, write

LEDGER, STAYS = "ledger.db", "stays.db"
REST_SECONDS = 3600.0
"""How long the files must be unmodified before they are removed: an isolab that still runs may be between
two transactions, for example while it builds images, and would fail at the next one without them."""

_KEPT = "kept"
"""Was stored in place of an owner's start time."""

_INTENTS = "SELECT run, machine, handle, owner_pid, owner_start FROM ledger.intents ORDER BY created"
_STAYS = "SELECT run, machine, session, lab, logs, wanted, since FROM stays.stays"


def take_over(database: Database, folder: Path, lives: Callable[[int, str], bool]) -> list[JournalRow]:
    """Move rows without a live owner into the journal; returns the rows of an older isolab that still runs.

    ``lives`` returns whether an owner, by its process id and start time, still lives. Raises Unavailable
    for state that cannot be read.
    """
    files = [path for path in (folder / LEDGER, folder / STAYS) if path.exists()]
    if not files:
        return []
    rested = all(_rests(path) for path in files)
    with database.opened() as connection:
        tables = {path.name for path in files if _attached(connection, path)}
        connection.execute("BEGIN IMMEDIATE")  # locks all three files
        rows = _rows(connection, folder, tables)
        live = [row for row in rows if not row.kept and lives(row.owner_pid, row.owner_start)]
        for row in rows:
            if row not in live:
                _move(connection, row, tables)
        if rested and not rows:
            for path in files:
                path.unlink(missing_ok=True)
    return live


def _rests(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > REST_SECONDS
    except FileNotFoundError:  # another isolab has just removed it
        return False


def _attached(connection: sqlite3.Connection, path: Path) -> bool:
    """Attach a file to the journal's connection; returns whether it has its table: an isolab killed at
    the wrong moment left it empty."""
    with _readable(path):
        connection.execute(f"ATTACH ? AS {path.stem}", (str(path),))
        found = connection.execute(f"SELECT count(*) FROM {path.stem}.sqlite_master WHERE type = 'table'")
        return bool(found.fetchone()[0])


def _rows(connection: sqlite3.Connection, folder: Path, tables: set[str]) -> list[JournalRow]:
    """Return the old rows in the journal's form; only a row of ``ledger.db`` is a machine."""
    if LEDGER not in tables:
        return []
    with _readable(folder / LEDGER):
        machines = connection.execute(_INTENTS).fetchall()
        for _run, _name, handle, _pid, _start in machines:
            Handle.from_json(handle)
    places = {}
    if STAYS in tables:
        with _readable(folder / STAYS):
            places = {(run, name): place for run, name, *place in connection.execute(_STAYS)}
    return [
        JournalRow(run, name, handle, pid, start, start == _KEPT, *places.get((run, name), ()))
        for run, name, handle, pid, start in machines
    ]


def _move(connection: sqlite3.Connection, row: JournalRow, tables: set[str]) -> None:
    write(connection, row)
    for file, table in ((LEDGER, "ledger.intents"), (STAYS, "stays.stays")):
        if file in tables:
            connection.execute(f"DELETE FROM {table} WHERE run = ? AND machine = ?", (row.run, row.name))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors in reading old state into Unavailable, with a hint."""
    try:
        yield
    except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as problem:
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        raise Unavailable(
            f"cannot read {path}, state of an older isolab: {problem}",
            hint="take its machines down with `isolab down --all` of that version; or move the file away and "
            "run `isolab gc`, which finds its machines by their names",
        ) from None
