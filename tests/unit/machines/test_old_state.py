"""State of the time before there was one journal: nothing is lost, and whoever works on it still may."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from factories import RUN, handle, order
from pydantic import TypeAdapter

from orchestrator import drivers
from orchestrator.cli import gc as gc_verb
from orchestrator.cli import sessions as verbs
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import Exit, Unavailable
from orchestrator.machines import old_state
from orchestrator.machines.journal import Journal, start_time
from orchestrator.run import gc as gc_module
from orchestrator.sessions import lookup
from orchestrator.sessions.lookup import State, session_machines

# As the modules of that time made them.
LEDGER_SCHEMA = """
CREATE TABLE IF NOT EXISTS intents (
    run TEXT NOT NULL, machine TEXT NOT NULL, handle TEXT NOT NULL,
    owner_pid INTEGER NOT NULL, owner_start TEXT NOT NULL,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (run, machine)
)
"""
STAYS_SCHEMA = """
CREATE TABLE IF NOT EXISTS stays (
    session TEXT NOT NULL, machine TEXT NOT NULL, run TEXT NOT NULL, lab TEXT NOT NULL,
    logs TEXT NOT NULL, wanted TEXT NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (session, machine)
)
"""
NO_HANDLE = "INSERT INTO intents VALUES ('r', 'm', '{}', 0, 'kept', '')"
OTHER_RUN = "20260102-030405-ffff"


@dataclass(frozen=True)
class OldIsolab:
    """The statements of an isolab of that time, on its two files."""

    folder: Path

    def intend(self, about: Handle, pid: int | None = None, start: str | None = None) -> None:
        pid = os.getpid() if pid is None else pid
        row = (about.run, about.machine, about.to_json(), pid, start_time(pid) if start is None else start)
        self._execute(
            "ledger.db",
            LEDGER_SCHEMA,
            "INSERT OR REPLACE INTO intents (run, machine, handle, owner_pid, owner_start) "
            "VALUES (?, ?, ?, ?, ?)",
            row,
        )

    def keep(self, about: Handle) -> None:
        statement = (
            "UPDATE intents SET handle = ?, owner_pid = 0, owner_start = ? WHERE run = ? AND machine = ?"
        )
        row = (about.to_json(), "kept", about.run, about.machine)
        self._execute("ledger.db", LEDGER_SCHEMA, statement, row)

    def settle(self, about: Handle) -> None:
        self._execute(
            "ledger.db",
            LEDGER_SCHEMA,
            "DELETE FROM intents WHERE run = ? AND machine = ?",
            (about.run, about.machine),
        )

    def enter(self, session: str, wanted: Order) -> None:
        text = TypeAdapter(Order).dump_json(wanted).decode()
        lab, since = "/labs/one/lab.yaml", "2026-01-02T03:04:05+0800"
        row = (session, wanted.name, wanted.run, lab, str(wanted.logs), text, since)
        self._execute(
            "stays.db", STAYS_SCHEMA, "INSERT OR REPLACE INTO stays VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )

    def rest(self) -> None:
        """Let nobody have written to the files for long."""
        for name in ("ledger.db", "stays.db"):
            if (self.folder / name).exists():
                past = time.time() - 2 * old_state.REST_SECONDS
                os.utime(self.folder / name, (past, past))

    def _execute(self, name: str, schema: str, statement: str, row: tuple[object, ...]) -> None:
        with closing(sqlite3.connect(self.folder / name)) as connection, connection:
            connection.execute(schema)
            connection.execute(statement, row)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    (tmp_path / "SCRATCH").mkdir(mode=0o711)
    (tmp_path / "STATE").mkdir()
    return tmp_path / "STATE"


@pytest.fixture
def old(state: Path) -> OldIsolab:
    return OldIsolab(state)


@pytest.fixture
def downed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The machines that were taken down, by a driver that has no others."""
    found: list[str] = []

    class Driver:
        def down(self, about: Handle) -> None:
            found.append(about.machine)

    monkeypatch.setattr(drivers, "load", lambda _: Driver())
    monkeypatch.setattr(gc_module, "TRAITS", ())
    monkeypatch.setattr(lookup, "ask", lambda *_: (State.UP, ""))
    return found


def machine(name: str) -> Order:
    return replace(order(), name=name, logs=Path("/state/sessions/one") / name)


def up(old: OldIsolab, name: str = "vm") -> None:
    """Bring up and hand over, as it did then."""
    old.enter("one", machine(name))
    old.intend(handle(name))
    old.keep(handle(name, data={"start": "cold"}))


def test_a_machine_that_was_up_is_listed_can_be_made_anew_and_taken_down(
    old: OldIsolab, downed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    up(old)
    (found,) = session_machines()
    assert (found.name, found.coming, found.handle.data) == ("one/vm", False, {"start": "cold"})
    assert found.membership.order == machine("vm")
    assert (found.logs, found.membership.since) == (machine("vm").logs, "2026-01-02T03:04:05+0800")
    assert verbs.status("text") is Exit.PASSED
    assert "one/vm   up" in capsys.readouterr().out
    assert verbs.down(("vm",), False, "text") is Exit.PASSED
    assert (downed, Journal().entries()) == (["vm"], [])


def test_gc_removes_what_a_killed_one_left_and_leaves_what_was_kept(
    old: OldIsolab, downed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    up(old)
    old.enter("one", machine("half-made"))
    old.intend(handle("half-made"), start="gone")
    old.intend(handle("net.lan"))
    old.keep(handle("net.lan"))
    assert gc_verb.gc("text") is Exit.PASSED
    assert f"removed machine half-made of run {RUN}" in capsys.readouterr().out
    assert downed == ["half-made"]
    assert {(e.handle.machine, e.kept) for e in Journal().entries()} == {("vm", True), ("net.lan", True)}


def test_what_a_living_one_works_on_stays_where_it_looks_for_it(old: OldIsolab, downed: list[str]) -> None:
    """It may still hand its machines over, or take them down."""
    old.enter("one", machine("vm"))
    old.intend(handle("vm"))
    old.intend(handle("other", run=OTHER_RUN))
    assert [found.coming for found in session_machines()] == [True]
    assert gc_verb.gc("text") is Exit.PASSED
    assert downed == []
    old.keep(handle("vm", data={"start": "clone"}))
    old.settle(handle("other", run=OTHER_RUN))
    (found,) = session_machines()
    assert (found.coming, found.handle.data) == (False, {"start": "clone"})
    assert len(Journal().entries()) == 1


def test_the_files_go_when_nobody_has_used_them_for_long(old: OldIsolab, state: Path) -> None:
    up(old)
    old.rest()
    assert len(Journal().entries()) == 1
    assert (state / "ledger.db").exists()  # just now it was written to
    old.rest()
    assert len(Journal().entries()) == 1
    assert sorted(path.name for path in state.glob("*.db*")) == ["machines.db"]
    assert [found.name for found in session_machines()] == ["one/vm"]


def test_files_that_somebody_may_be_using_stay_and_serve_him(old: OldIsolab, state: Path) -> None:
    up(old)
    Journal()
    Journal()
    old.intend(handle("later", run=OTHER_RUN))
    old.rest()
    assert {entry.handle.machine for entry in Journal().entries()} == {"vm", "later"}
    old.rest()
    Journal()
    assert (state / "ledger.db").exists()


def test_one_that_is_just_writing_is_waited_for(old: OldIsolab, state: Path) -> None:
    up(old)
    begun, handing_over = threading.Event(), handle("late", run=OTHER_RUN)

    def write_slowly() -> None:
        with closing(sqlite3.connect(state / "ledger.db")) as connection, connection:
            row = (handing_over.run, "late", handing_over.to_json())
            connection.execute("INSERT INTO intents VALUES (?, ?, ?, 0, 'kept', '')", row)
            begun.set()
            time.sleep(0.3)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert begun.wait(20)
    found = {entry.handle.machine for entry in Journal().entries()}
    writer.join()
    assert found == {"vm", "late"}


def test_one_that_finds_its_files_gone_is_told_so_instead_of_writing_into_nothing(
    old: OldIsolab, state: Path
) -> None:
    old.intend(handle("vm"))
    old.settle(handle("vm"))
    with closing(sqlite3.connect(state / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM intents").fetchone() == (0,)
        old.rest()
        Journal()
        assert not (state / "ledger.db").exists()
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("INSERT INTO intents VALUES ('r', 'm', '{}', 0, 'kept', '')")


def test_an_older_isolab_in_another_checkout_is_heard_again_and_again(old: OldIsolab) -> None:
    up(old)
    assert len(session_machines()) == 1
    old.rest()
    Journal()
    up(old, "second")
    assert [found.name for found in session_machines()] == ["one/second", "one/vm"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no database at all, but long enough to be one" * 40),
        lambda path: _execute(path, "CREATE TABLE intents (something TEXT)"),
        lambda path: _execute(
            path, LEDGER_SCHEMA, "INSERT INTO intents VALUES ('r', 'm', '{}', 0, 'kept', '')"
        ),
    ],
    ids=["no database", "other columns", "no handle"],
)
def test_what_cannot_be_read_is_refused_with_a_way_on(state: Path, spoil: Callable[[Path], None]) -> None:
    spoil(state / "ledger.db")
    before = (state / "ledger.db").read_bytes()
    with pytest.raises(Unavailable) as refused:
        Journal()
    assert str(state / "ledger.db") in refused.value.message
    assert "isolab gc" in refused.value.hint
    assert (state / "ledger.db").read_bytes() == before


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_file_that_was_only_just_begun_is_empty(state: Path) -> None:
    for name in ("ledger.db", "stays.db"):
        (state / name).touch()
    assert Journal().entries() == []


def test_being_killed_on_the_way_loses_nothing(old: OldIsolab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The move is one transaction."""
    for name in ("a", "b"):
        up(old, name)
    moved: list[str] = []

    def stop_at_the_second(connection: sqlite3.Connection, row: object, tables: set[str]) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append("one")
        move(connection, row, tables)  # type: ignore[arg-type]

    move = old_state._move
    monkeypatch.setattr(old_state, "_move", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        Journal()
    monkeypatch.undo()
    found = Journal(old.folder / "machines.db").entries()
    assert sorted(entry.handle.machine for entry in found) == ["a", "b"]
