"""The journal's one table: its columns, as SQL and as a row in Python."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS machines (
    run TEXT NOT NULL, name TEXT NOT NULL, handle TEXT NOT NULL,
    owner_pid INTEGER NOT NULL, owner_start TEXT NOT NULL, kept INTEGER NOT NULL,
    session TEXT, lab TEXT, logs TEXT, wanted TEXT, since TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (run, name)
)
"""


class JournalRow(NamedTuple):
    """A row of the table: a machine or network.

    ``handle`` and ``wanted`` (the order) are JSON. The fields from ``session`` to ``since`` are None for
    what belongs to no session. ``kept``: it needs no owner.
    """

    run: str
    name: str
    handle: str
    owner_pid: int
    owner_start: str
    kept: bool
    session: str | None = None
    lab: str | None = None
    logs: str | None = None
    wanted: str | None = None
    since: str | None = None


COLUMNS = ", ".join(JournalRow._fields)
_PLACEHOLDERS = ", ".join(f":{name}" for name in JournalRow._fields)


def write(connection: sqlite3.Connection, row: JournalRow) -> None:
    """Insert a row, replacing one with the same run and name."""
    connection.execute(f"INSERT OR REPLACE INTO machines ({COLUMNS}) VALUES ({_PLACEHOLDERS})", row._asdict())
