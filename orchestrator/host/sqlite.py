"""A small SQLite file shared by a user's threads and processes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

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
        """Open a transaction: committed at the end of the block, rolled back if it raises."""
        connection = sqlite3.connect(self._path, timeout=PATIENCE_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
