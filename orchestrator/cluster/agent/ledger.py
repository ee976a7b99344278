"""What an agent must not forget: units with their epochs, the signed lines of each, and leases. On disk.

A line is on disk before anybody is told of it, and a unit before anything of it is begun.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cluster.model import SignedLine
from orchestrator.host.boot import boot_id
from orchestrator.host.sqlite import Database

_UNITS = """
CREATE TABLE IF NOT EXISTS units (
    key TEXT NOT NULL, epoch INTEGER NOT NULL, run TEXT NOT NULL, host TEXT NOT NULL, ended INTEGER NOT NULL,
    began REAL NOT NULL, PRIMARY KEY (key, epoch)
)
"""
_LINES = """
CREATE TABLE IF NOT EXISTS lines (
    unit TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (unit, epoch, number)
)
"""
_LEASES = """
CREATE TABLE IF NOT EXISTS leases (
    run TEXT PRIMARY KEY, state TEXT NOT NULL, boot TEXT NOT NULL, until REAL NOT NULL, changed REAL NOT NULL
)
"""
_JOBS = "CREATE TABLE IF NOT EXISTS jobs (run TEXT PRIMARY KEY, unit TEXT NOT NULL)"
"""The runs that machines have, where jobs have one of their own."""
HELD, LOST, CANCELLED = "held", "lost", "cancelled"
"""A lease's states. ``lost``: it ended, or the agent was killed while it had guests. ``cancelled``: the
controller gave the run up, and whatever comes of it later is refused."""


@dataclass(frozen=True)
class UnitEntry:
    """One unit in one epoch, as the ledger has it; ``host`` is what the controller calls this host."""

    key: str
    epoch: int
    run: str
    host: str
    ended: bool


@dataclass(frozen=True)
class Lease:
    """A run's lease here. ``left`` is in seconds; 0 or less: it is over."""

    run: str
    state: str
    left: float


class Ledger:
    """The ledger's file. Safe to use from several threads; only the agent's process writes it."""

    def __init__(self, path: Path) -> None:
        """Raises Unavailable if the file cannot be used."""
        for schema in (_UNITS, _LINES, _LEASES, _JOBS):
            self._database = Database(path, schema)

    def begin(
        self, key: str, epoch: int, run: str, host: str, lease: float = 0.0, jobs: Iterable[str] = ()
    ) -> None:
        """Note that a unit begins in this epoch, with the runs of its ``jobs``, and hold its run's lease for
        so many seconds (0: not)."""
        with self._database.opened() as database:
            database.execute(
                "INSERT INTO units (key, epoch, run, host, ended, began) VALUES (?, ?, ?, ?, FALSE, ?)",
                (key, epoch, run, host, time.time()),
            )
            database.executemany(
                "INSERT OR REPLACE INTO jobs (run, unit) VALUES (?, ?)",
                ((own, key) for own in {*jobs} - {run}),
            )
            if lease:
                _hold(database, run, lease)

    def knows(self, run: str) -> bool:
        """Return whether machines of this run were begun here."""
        with self._database.opened() as database:
            ask = "SELECT 1 FROM units WHERE run = ? UNION SELECT 1 FROM jobs WHERE run = ?"
            return database.execute(ask, (run, run)).fetchone() is not None

    def newest(self, key: str) -> UnitEntry | None:
        """Return a unit in the highest epoch that was seen of it; None for one that is not known."""
        found = self._units("WHERE key = ? ORDER BY epoch DESC LIMIT 1", key)
        return found[0] if found else None

    def entry(self, key: str, epoch: int) -> UnitEntry | None:
        """Return a unit in one epoch; None if it never came with that one."""
        found = self._units("WHERE key = ? AND epoch = ?", key, epoch)
        return found[0] if found else None

    def unended(self) -> list[UnitEntry]:
        """Return the units that have no end yet: those that run, or ran when the agent was killed."""
        return self._units("WHERE NOT ended ORDER BY began")

    def units(self, run: str) -> list[UnitEntry]:
        """Return the units of a run, in all their epochs."""
        return self._units("WHERE run = ? ORDER BY began", run)

    def _units(self, where: str, *values: object) -> list[UnitEntry]:
        with self._database.opened() as database:
            rows = database.execute(f"SELECT key, epoch, run, host, ended FROM units {where}", values)
            return [UnitEntry(key, epoch, run, host, bool(ended)) for key, epoch, run, host, ended in rows]

    def add(self, line: SignedLine, *, last: bool) -> None:
        """Add a line of a unit; ``last``: the unit has ended with it."""
        with self._database.opened() as database:
            database.execute(
                "INSERT INTO lines (unit, epoch, number, line) VALUES (?, ?, ?, ?)",
                (line.unit, line.epoch, line.number, line.to_json()),
            )
            if last:
                database.execute(
                    "UPDATE units SET ended = TRUE WHERE key = ? AND epoch = ?", (line.unit, line.epoch)
                )

    def lines(self, key: str, epoch: int, start: int = 0) -> list[SignedLine]:
        """Return the lines of a unit in one epoch, from the one with this number."""
        with self._database.opened() as database:
            rows = database.execute(
                "SELECT line FROM lines WHERE unit = ? AND epoch = ? AND number >= ? ORDER BY number",
                (key, epoch, start),
            )
            return [SignedLine.from_json(text) for (text,) in rows]

    def hold(self, run: str, seconds: float) -> None:
        """Begin or prolong a run's lease; one that is longer already stays."""
        with self._database.opened() as database:
            _hold(database, run, seconds)

    def prolong(self, runs: Iterable[str], seconds: float) -> list[str]:
        """Prolong the leases of these runs; returns those whose lease was lost. One that never had any is
        neither."""
        known = {lease.run: lease for lease in self.leases()}
        for run in (asked := list(runs)):
            if run in known and known[run].state == HELD and known[run].left > 0:
                self.hold(run, seconds)
        return [run for run in asked if run in known and known[run].state == LOST]

    def mark(self, runs: Sequence[str], state: str) -> None:
        """Set the state of runs' leases, known or not."""
        with self._database.opened() as database:
            database.executemany(
                "INSERT INTO leases (run, state, boot, until, changed) VALUES (?, ?, '', 0, ?) "
                "ON CONFLICT (run) DO UPDATE SET state = excluded.state, changed = excluded.changed",
                ((run, state, time.time()) for run in runs),
            )

    def drop(self, run: str) -> None:
        """Forget a lease that is not needed any more."""
        with self._database.opened() as database:
            database.execute("DELETE FROM leases WHERE run = ? AND state = ?", (run, HELD))

    def leases(self) -> list[Lease]:
        """Return all leases that are known, also those that ended. One of another boot of this host is
        over: its guests went with it."""
        now, boot = _clock(), boot_id()
        with self._database.opened() as database:
            rows = database.execute("SELECT run, state, boot, until FROM leases ORDER BY run").fetchall()
        return [Lease(run, state, until - now if at == boot else 0.0) for run, state, at, until in rows]

    def state(self, run: str) -> str:
        """Return the state of a run's lease; "" if there never was one."""
        with self._database.opened() as database:
            row = database.execute("SELECT state FROM leases WHERE run = ?", (run,)).fetchone()
        return str(row[0]) if row else ""

    def clear(self, run: str) -> None:
        """Delete the lines of a run for good; its units are still known."""
        with self._database.opened() as database:
            database.execute("PRAGMA secure_delete = ON")
            database.execute("DELETE FROM lines WHERE unit IN (SELECT key FROM units WHERE run = ?)", (run,))

    def forget(self, seconds: float) -> list[str]:
        """Delete what is older than so many seconds and has ended; returns the runs that are gone."""
        before = time.time() - seconds
        with self._database.opened() as database:
            rows = database.execute(
                "SELECT run FROM units GROUP BY run HAVING MAX(began) < ? AND MIN(ended)", (before,)
            ).fetchall()
            for (run,) in rows:
                database.execute(
                    "DELETE FROM lines WHERE unit IN (SELECT key FROM units WHERE run = ?)", (run,)
                )
                database.execute(
                    "DELETE FROM jobs WHERE unit IN (SELECT key FROM units WHERE run = ?)", (run,)
                )
                database.execute("DELETE FROM units WHERE run = ?", (run,))
            database.execute("DELETE FROM leases WHERE changed < ? AND state <> ?", (before, HELD))
        return [run for (run,) in rows]


def _hold(database: sqlite3.Connection, run: str, seconds: float) -> None:
    database.execute(
        "INSERT INTO leases (run, state, boot, until, changed) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (run) DO UPDATE SET state = excluded.state, changed = excluded.changed, "
        "until = CASE WHEN boot = excluded.boot THEN MAX(until, excluded.until) "
        "ELSE excluded.until END, boot = excluded.boot WHERE state <> ?",
        (run, HELD, boot_id(), _clock() + seconds, time.time(), CANCELLED),
    )


def _clock() -> float:
    """Seconds since this host started, also those in which it slept: nobody sets this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
