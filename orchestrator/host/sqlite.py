"""A small SQLite file shared by a user's threads and processes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import Unavailable

PATIENCE_SECONDS = 30.0
"""How long to wait for another connection's transaction."""


class Database:
    """A file with one table; each connection lasts for one transaction.

    No write-ahead log: switching to one fails at once if another process has the file open, and such
    short connections gain nothing from it.
    """

    def __init__(self, path: Path, schema: str) -> None:
        """``schema`` creates the table unless it exists."""
        self._path = path
        with self.opened() as connection:
            connection.execute(schema)

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction: committed at the end of the block, rolled back if it raises.

        Raises Unavailable when the file is not such a database, stays locked, or cannot be written.
        """
        try:
            opened = sqlite3.connect(self._path, timeout=PATIENCE_SECONDS)
            with contextlib.closing(opened) as connection, connection:
                yield connection
        except sqlite3.DatabaseError as problem:
            code = (getattr(problem, "sqlite_errorcode", None) or 0) & 0xFF
            raise Unavailable(
                f"{self._path}: cannot be used: {problem}",
                hint=_HINTS.get(code, _DAMAGED).format(folder=self._path.parent),
            ) from None


_ELSEWHERE = "or set ISOLAB_STATE to another folder"
_MINE = "make it and its folder yours (`sudo chown -R \"$USER\" '{folder}'`), " + _ELSEWHERE
_DAMAGED = (
    "if it is damaged, move it away: `isolab gc` then finds the machines by the token in the state folder"
)
_HINTS = {
    sqlite3.SQLITE_BUSY: "another isolab holds it: try again when that has ended",
    sqlite3.SQLITE_LOCKED: "another isolab holds it: try again when that has ended",
    sqlite3.SQLITE_FULL: f"free space on its disk, {_ELSEWHERE}",
    sqlite3.SQLITE_READONLY: _MINE,
    sqlite3.SQLITE_PERM: _MINE,
    sqlite3.SQLITE_CANTOPEN: _MINE,
    sqlite3.SQLITE_IOERR: f"its disk may be full or failing: free space, {_ELSEWHERE}",
}
"""What to do, by SQLite's primary result code; ``{folder}`` is the database's."""
