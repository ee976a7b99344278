"""Keys that students added after the roster was written, or the lecturer for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.classes.gateway.public_key import key_fingerprint, key_line, owners
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import DATABASE, class_state
from orchestrator.errors import SpecError
from orchestrator.host.sqlite import Database

MOST_KEYS = 20
"""Of one seat: whoever may add keys is a student."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS added_keys (
    seat TEXT NOT NULL, line TEXT NOT NULL PRIMARY KEY, added TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class AddedKey:
    """A key of a seat: ``TYPE BASE64``, its fingerprint as ssh-keygen(1) shows it, and when it was added."""

    seat: str
    line: str
    added: datetime

    @property
    def fingerprint(self) -> str:
        return key_fingerprint(self.line)


class AddedKeys:
    """The added keys of a class, on disk. Safe to use from several threads and processes.

    They open the gateway after ``refresh``.
    """

    def __init__(self, found: LoadedClass) -> None:
        """Raises Unavailable."""
        self._class = found
        self._database = Database(class_state(found) / DATABASE, _SCHEMA)

    def add(self, seat: str, key: str) -> AddedKey:
        """Add a public key to a seat; one that it has already stays as it is.

        Raises SpecError for what is no public key, one of another seat, or one too many.
        """
        line = key_line(key)
        owner = owners(every_key(self._class, self)).get(line, seat)
        if owner != seat:
            raise SpecError(
                f"this SSH key ({key_fingerprint(line)}) is another seat's already",
                hint="a key says who comes: make one of your own with `ssh-keygen -t ed25519`",
            )
        with self._database.opened() as connection:
            row = connection.execute("SELECT seat, added FROM added_keys WHERE line = ?", (line,)).fetchone()
            if row is not None and row[0] == seat:
                return AddedKey(seat, line, datetime.fromisoformat(row[1]))
            (many,) = connection.execute("SELECT COUNT(*) FROM added_keys WHERE seat = ?", (seat,)).fetchone()
            if many >= MOST_KEYS:
                raise SpecError(f"{seat} has {many} added keys, the most there may be", hint="revoke one")
            now = datetime.now(UTC)
            # Two who add one key at the same moment: one of them has it, the other fails.
            connection.execute("INSERT INTO added_keys VALUES (?, ?, ?)", (seat, line, now.isoformat()))
        return AddedKey(seat, line, now)

    def listed(self) -> list[AddedKey]:
        """Return all added keys, oldest first."""
        with self._database.opened() as connection:
            rows = connection.execute("SELECT seat, line, added FROM added_keys ORDER BY added").fetchall()
        return [AddedKey(seat, line, datetime.fromisoformat(added)) for seat, line, added in rows]

    def revoke(self, seat: str, fingerprint: str) -> bool:
        """Remove a seat's added key; returns whether there was one. Who is in with it stays in."""
        gone = [key for key in self.listed() if key.seat == seat and key.fingerprint == fingerprint]
        with self._database.opened() as connection:
            for key in gone:
                connection.execute("DELETE FROM added_keys WHERE line = ?", (key.line,))
        return bool(gone)


def every_key(found: LoadedClass, added: AddedKeys) -> dict[str, list[str]]:
    """Return the keys of every seat: the roster's, then those added. Those of a seat that is no longer in
    the class are left out."""
    keys = {seat.name: list(seat.keys) for seat in found.seats}
    for key in added.listed():
        if key.seat in keys:
            keys[key.seat].append(key.line)
    return keys
