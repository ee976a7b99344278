"""Which machine is on which host: the controller's journal of running machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.host.sqlite import Database
from orchestrator.sessions.names import named, unknown_name

_SCHEMA = """
CREATE TABLE IF NOT EXISTS places (
    session TEXT NOT NULL, machine TEXT NOT NULL, host TEXT NOT NULL, PRIMARY KEY (session, machine)
)
"""
DATABASE = "places.db"


@dataclass(frozen=True)
class PlacedMachine:
    """A machine of a session, and the name of its host."""

    session: str
    machine: str
    host: str

    @property
    def name(self) -> str:
        """Its full name, as people type it."""
        return f"{self.session}/{self.machine}"


class Places:
    """The journal's file in a cluster's state folder. Safe to use from several processes."""

    def __init__(self, state: Path) -> None:
        """Raises Unavailable."""
        self._database = Database(state / DATABASE, _SCHEMA)

    def note(self, machines: Iterable[PlacedMachine]) -> None:
        """Write down where machines are about to be made; all or, if killed, none."""
        rows = [(one.session, one.machine, one.host) for one in machines]
        with self._database.opened() as connection:
            connection.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", rows)

    def forget(self, machines: Iterable[PlacedMachine]) -> None:
        """Delete machines that are gone."""
        rows = [(one.session, one.machine) for one in machines]
        with self._database.opened() as connection:
            connection.executemany("DELETE FROM places WHERE session = ? AND machine = ?", rows)

    def machines(self) -> list[PlacedMachine]:
        """Return all machines, by session and name."""
        with self._database.opened() as connection:
            rows = connection.execute("SELECT session, machine, host FROM places ORDER BY 1, 2").fetchall()
        return [PlacedMachine(*row) for row in rows]


def placed(names: Sequence[str], there: Sequence[PlacedMachine]) -> list[PlacedMachine]:
    """Return the machines with these names: ``MACHINE``, ``SESSION/MACHINE``, or ``SESSION`` for all of its
    machines. Raises SpecError for one that is unknown or means several. Pure."""
    return list(dict.fromkeys(one for name in names for one in _meant(name, there)))


def _meant(name: str, there: Sequence[PlacedMachine]) -> list[PlacedMachine]:
    if found := named(name, there):
        return found
    message, here = f"the cluster has no machine {name!r}", "machines of this cluster"
    nothing = "no running machines in this cluster; `isolab up LAB --cluster HOSTS` starts some"
    raise unknown_name(name, there, message, here, nothing)
