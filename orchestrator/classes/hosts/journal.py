"""Which host has a seat: its machines, and its home folders, which stay there when the machines are down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import DATABASE, class_state
from orchestrator.host.sqlite import Database

_SCHEMA = "CREATE TABLE IF NOT EXISTS seat_hosts (seat TEXT PRIMARY KEY, host TEXT NOT NULL)"


class SeatHosts:
    """The hosts of a class's seats, on disk. Safe to use from several threads and processes."""

    def __init__(self, found: LoadedClass) -> None:
        """Raises Unavailable."""
        self._database = Database(Path(class_state(found) / DATABASE), _SCHEMA)

    def note(self, hosts: Mapping[str, str]) -> None:
        """Write down where seats are about to be: all or, if killed, none."""
        with self._database.opened() as connection:
            connection.executemany("INSERT OR REPLACE INTO seat_hosts VALUES (?, ?)", list(hosts.items()))

    def forget(self, seats: Iterable[str]) -> None:
        """Forget seats that have nothing on their host any more: the next ``up`` is free to choose."""
        with self._database.opened() as connection:
            connection.executemany("DELETE FROM seat_hosts WHERE seat = ?", [(seat,) for seat in seats])

    def hosts(self) -> dict[str, str]:
        """Return the host of each seat."""
        with self._database.opened() as connection:
            return dict(connection.execute("SELECT seat, host FROM seat_hosts ORDER BY seat").fetchall())
