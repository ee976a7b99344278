"""The register of machines that stay: under which session each was wanted, and by which order.

One SQLite file per user. Whether a machine exists is the ledger's to say; the register remembers
what was asked for, so that any later process can find it by name, and make it anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestrator.drivers.model import Order
from orchestrator.host.sqlite import Database
from orchestrator.paths import state_dir

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stays (
    session TEXT NOT NULL, machine TEXT NOT NULL, run TEXT NOT NULL, lab TEXT NOT NULL,
    logs TEXT NOT NULL, wanted TEXT NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (session, machine)
)
"""

_ORDER = TypeAdapter(Order)


def _order(text: str) -> Order | None:
    try:
        return _ORDER.validate_json(text)
    except ValidationError:
        return None


@dataclass(frozen=True)
class Stay:
    """One machine that is wanted until further notice.

    ``lab`` is the lab file's path, ``since`` when it was last made (ISO 8601, with the offset from
    UTC). ``order`` is None when another version of isolab wrote it and we cannot read it.
    """

    session: str
    machine: str
    run: str
    lab: str
    logs: Path
    order: Order | None
    since: str

    @property
    def name(self) -> str:
        """Its full name, as people type it."""
        return f"{self.session}/{self.machine}"


def stay_of(session: str, lab: str, order: Order) -> Stay:
    """A machine that is wanted from now on."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    return Stay(session, order.name, order.run, lab, order.logs, order, now)


class Register:
    """The register's file. Safe to use from several threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        self._database = Database(path or state_dir() / "stays.db", _SCHEMA)

    def enter(self, stay: Stay) -> None:
        """Write down that this machine is wanted; takes the place of one of the same name."""
        assert stay.order is not None
        wanted = _ORDER.dump_json(stay.order).decode()
        row = (stay.session, stay.machine, stay.run, stay.lab, str(stay.logs), wanted, stay.since)
        with self._database.opened() as database:
            database.execute("INSERT OR REPLACE INTO stays VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def strike(self, stay: Stay) -> None:
        """The machine is wanted no longer."""
        with self._database.opened() as database:
            database.execute(
                "DELETE FROM stays WHERE session = ? AND machine = ?", (stay.session, stay.machine)
            )

    def stays(self) -> list[Stay]:
        """Every machine that is wanted, by session and name."""
        with self._database.opened() as database:
            rows = database.execute(
                "SELECT session, machine, run, lab, logs, wanted, since FROM stays ORDER BY session, machine"
            ).fetchall()
        return [
            Stay(session, machine, run, lab, Path(logs), _order(wanted), since)
            for session, machine, run, lab, logs, wanted, since in rows
        ]
