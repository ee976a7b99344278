"""The journal: intents outlive us, and it knows whose owner is dead."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from factories import RUN, handle

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle
from orchestrator.errors import Unavailable
from orchestrator.host import process, process_table
from orchestrator.machines import journal as module
from orchestrator.machines.journal import Journal, start_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "machines.db"


def test_an_intent_is_there_until_it_is_forgotten(path: Path) -> None:
    journal = Journal(path)
    journal.intend(handle("a"))
    journal.intend(handle("b"))
    journal.forget(handle("a"))
    journal.forget(handle("a"))
    (left,) = journal.entries()
    assert (left.handle, left.owner_alive) == (handle("b"), True)


def test_another_process_reads_what_we_intended(path: Path) -> None:
    Journal(path).intend(handle("a", data={"engine": ["podman"]}))
    script = (
        "import sys; from pathlib import Path; from orchestrator.machines.journal import Journal\n"
        "for i in Journal(Path(sys.argv[1])).entries(): print(i.handle.to_json(), i.owner_alive)"
    )
    done = process.run([sys.executable, "-c", script, path], deadline=Deadline.after(60))
    assert done.stdout.decode().strip() == f"{handle('a', data={'engine': ['podman']}).to_json()} True"


def test_the_state_folder_is_where_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    Journal().intend(handle())
    assert (tmp_path / "state" / "machines.db").exists()
    assert len(Journal().entries()) == 1


def test_an_owner_that_has_ended_is_dead(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from orchestrator.drivers.model import Handle\n"
        "from orchestrator.machines.journal import Journal\n"
        "Journal(Path(sys.argv[1])).intend(Handle.from_json(sys.argv[2]))"
    )
    process.run([sys.executable, "-c", script, path, handle("a").to_json()], deadline=Deadline.after(60))
    (left,) = Journal(path).entries()
    assert (left.handle.machine, left.owner_alive) == ("a", False)


def test_a_process_id_used_again_is_another_owner(path: Path) -> None:
    journal = Journal(path)
    journal.intend(handle())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE machines SET owner_start = owner_start || '0'")
    database.close()
    assert [entry.owner_alive for entry in journal.entries()] == [False]


def test_after_a_reboot_every_owner_is_dead(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    journal.intend(handle())
    monkeypatch.setattr(module, "_boot", lambda: "another-boot")
    assert [entry.owner_alive for entry in journal.entries()] == [False]


def test_an_owner_in_a_namespace_we_cannot_look_into_is_taken_to_live(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_namespace", lambda _: "111")
        journal.intend(handle())
    monkeypatch.setattr(module, "_namespace", lambda _: "222")
    assert [entry.owner_alive for entry in journal.entries()] == [True]


def test_an_owner_in_a_container_is_looked_up_from_the_host(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start_time(os.getpid()).rpartition(":")[0] + ":111"
    monkeypatch.setattr(module, "_namespace", lambda _: module._INITIAL)
    there: list[int] = []
    monkeypatch.setattr(process_table, "find", lambda _: there)
    assert not module.lives(7, started)
    there.append(4711)
    assert module.lives(7, started)


def test_an_owner_recorded_by_an_older_isolab_is_recognised() -> None:
    older = start_time(os.getpid()).rpartition(":")[0]
    assert older.count(":") == 1
    assert module.lives(os.getpid(), older)
    assert not module.lives(os.getpid(), f"{older}0")


def test_a_zombie_counts_as_gone() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})  # noqa: TID251 - nobody is to collect it
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert start_time(child) == ""
    os.waitpid(child, 0)
    assert start_time(child) == ""
    assert start_time(os.getpid())


def test_many_threads_lose_nothing(path: Path) -> None:
    journal = Journal(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.intend(handle(f"m{n}")), range(40)))
        list(pool.map(lambda n: journal.forget(handle(f"m{n}")), range(0, 40, 2)))
    assert {entry.handle.machine for entry in journal.entries()} == {f"m{n}" for n in range(1, 40, 2)}


def test_many_begin_a_journal_at_the_same_time(tmp_path: Path) -> None:
    """As commands do that were started together, on a host where there has not been one yet."""
    for attempt in range(20):
        path, all_there = tmp_path / f"{attempt}.db", Barrier(8)

        def begin(number: int, path: Path = path, all_there: Barrier = all_there) -> None:
            all_there.wait()
            Journal(path).intend(handle(f"m{number}"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(begin, range(8)))
        assert len(Journal(path).entries()) == 8


def test_a_kept_machine_needs_no_owner(path: Path) -> None:
    journal = Journal(path)
    for name in ("a", "b"):
        journal.intend(handle(name))
    journal.keep([handle("a", data={"start": "cold"})])
    found = {entry.handle.machine: entry for entry in Journal(path).entries()}
    assert (found["a"].kept, found["a"].owner_alive, found["a"].handle.data) == (
        True,
        False,
        {"start": "cold"},
    )
    assert (found["b"].kept, found["b"].owner_alive) == (False, True)
    journal.intend(handle("a"))  # somebody makes it anew
    assert [entry.kept for entry in journal.entries()] == [False, False]


def test_machines_are_kept_together_or_not_at_all(path: Path) -> None:
    journal = Journal(path)
    for name in ("a", "b"):
        journal.intend(handle(name))

    def one_and_then_the_end() -> Iterator[Handle]:
        yield handle("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.keep(one_and_then_the_end())
    assert [entry.kept for entry in journal.entries()] == [False, False]
    journal.keep([handle("a"), handle("b")])
    assert [entry.kept for entry in journal.entries()] == [True, True]


def test_the_same_machine_of_two_runs_are_two_intents(path: Path) -> None:
    journal = Journal(path)
    other = RUN.replace("0a0b", "0c0d")
    journal.intend(handle())
    journal.intend(handle(run=other))
    journal.forget(handle())
    assert [entry.handle.run for entry in journal.entries()] == [other]


def test_a_damaged_journal_is_named_with_a_way_on(path: Path) -> None:
    path.write_bytes(os.urandom(5000))
    with pytest.raises(Unavailable, match="not a database") as caught:
        Journal(path)
    assert str(path) in caught.value.message
    assert "move it away" in caught.value.hint


def test_a_journal_of_another_shape_is_named_with_a_way_on(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE machines (a TEXT)")
    with pytest.raises(Unavailable, match="no such column") as caught:
        Journal(path).entries()
    assert "isolab gc" in caught.value.hint
