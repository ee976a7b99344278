"""A small SQLite file that several threads and processes of a user share."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

PATIENCE_SECONDS = 30.0
"""How long one waits for another's transaction."""


class Database:
    """The file, with one table in it; a connection lasts for a transaction.

    No write-ahead log: to switch to one, SQLite waits for nobody and fails when somebody else has the
    file open. Connections as short as these gain nothing by it.
    """

    def __init__(self, path: Path, schema: str) -> None:
        """``schema`` makes the table unless it is there."""
        self._path = path
        with self.opened() as connection:
            connection.execute(schema)

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or, if it raises, none."""
        connection = sqlite3.connect(self._path, timeout=PATIENCE_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
