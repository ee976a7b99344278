"""A database that cannot be used is told in a sentence, with what to do about it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from orchestrator.errors import Unavailable
from orchestrator.host import sqlite as module
from orchestrator.host.sqlite import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT)"


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (sqlite3.SQLITE_FULL, "free space"),
        (sqlite3.SQLITE_READONLY | 3 << 8, "chown"),
        (sqlite3.SQLITE_CANTOPEN, "ISOLAB_STATE"),
        (sqlite3.SQLITE_IOERR | 3 << 8, "full or failing"),
        (sqlite3.SQLITE_CORRUPT, "move it away"),
    ],
)
def test_each_failure_has_its_hint(tmp_path: Path, code: int, hint: str) -> None:
    database = Database(tmp_path / "db", SCHEMA)
    problem = sqlite3.OperationalError("out of luck")
    problem.sqlite_errorcode = code
    with pytest.raises(Unavailable, match="db: cannot be used: out of luck") as caught, database.opened():
        raise problem
    assert hint in caught.value.hint


def test_a_disk_that_fills_up_is_told(tmp_path: Path) -> None:
    database = Database(tmp_path / "db", SCHEMA)

    def fill() -> None:
        with database.opened() as connection:
            connection.execute("PRAGMA max_page_count = 1")  # as if the disk were
            connection.executemany("INSERT INTO notes VALUES (?)", [("x" * 4000,)] * 5)

    with pytest.raises(Unavailable, match="is full") as caught:
        fill()
    assert "free space" in caught.value.hint


def test_a_database_that_stays_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(tmp_path / "db", SCHEMA)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    with database.opened() as one:
        one.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="locked") as caught, database.opened() as two:
            two.execute("INSERT INTO notes VALUES ('x')")
    assert "try again" in caught.value.hint


def test_a_path_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open") as caught:
        Database(tmp_path / "nowhere" / "db", SCHEMA)
    assert "ISOLAB_STATE" in caught.value.hint
