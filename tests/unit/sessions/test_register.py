"""The machines of sessions, and the names people call them by."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from factories import RUN, handle, order

from orchestrator.drivers.model import Template
from orchestrator.errors import SpecError
from orchestrator.machines.journal import Journal, SessionMember, member_of
from orchestrator.sessions.lookup import find, select, session_machines


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    return tmp_path


def place(session: str, machine: str, arch: str = "amd64") -> SessionMember:
    return member_of(session, "/labs/one/lab.yaml", replace(order(arch), name=machine))


def settle(*places: SessionMember) -> None:
    """Make these machines of sessions that are up."""
    journal = Journal()
    for number, one in enumerate(places):
        assert one.order
        about = handle(one.order.name, run=f"{RUN[:-1]}{number:x}")  # sessions have runs of their own
        journal.intend(about, one)
        journal.keep([about])


def test_orders_come_back_as_they_were() -> None:
    wanted = replace(
        order("s390x", memory="300MiB", boot_timeout="5s", engine="docker"), template=Template(Path("/t"))
    )
    entered = member_of("one", "/labs/one/lab.yaml", wanted)
    Journal().intend(handle("s390x"), entered)
    assert [entry.member for entry in Journal().entries()] == [entered]
    Journal().forget(handle("s390x"))
    assert Journal().entries() == []


def test_an_order_of_another_version_can_still_be_named_and_taken_down(home: Path) -> None:
    settle(place("one", "vm"))
    with sqlite3.connect(home / "STATE" / "machines.db") as database:
        database.execute("""UPDATE machines SET wanted = '{"run": 1}'""")
    database.close()
    found = find("one/vm")
    assert (found.member.order, found.machine) == (None, "vm")


def test_a_machine_is_called_by_its_name_its_full_name_or_its_session() -> None:
    settle(place("one", "vm"), place("one", "big"), place("two", "other"))
    assert find("vm").name == find("one/vm").name == "one/vm"
    assert find("two").name == "two/other"  # a session of one
    assert [r.name for r in select(["one", "vm", "two/other"])] == ["one/big", "one/vm", "two/other"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("vm", "name one of: one/vm, two/vm"),
        ("one", "name one of: one/big, one/vm"),
        ("bgi", "did you mean 'big'?"),
        ("zzz", "running machines: one/big, one/vm, two/vm"),
        ("one/vn", "did you mean 'one/vm'?"),
    ],
)
def test_a_name_that_is_none_or_several(name: str, hint: str) -> None:
    settle(place("one", "vm"), place("one", "big"), place("two", "vm"))
    with pytest.raises(SpecError) as refused:
        find(name)
    assert refused.value.hint == hint


def test_a_machine_and_a_session_of_one_name() -> None:
    settle(place("vm", "a"), place("one", "vm"))
    with pytest.raises(SpecError, match="ambiguous"):
        select(["vm"])


def test_nothing_stays() -> None:
    with pytest.raises(SpecError) as refused:
        find("vm")
    assert "isolab up" in refused.value.hint


def test_a_machine_that_is_coming_up_is_seen_but_not_yet_for_use() -> None:
    Journal().intend(handle("vm"), place("one", "vm"))
    assert [machine.coming for machine in session_machines()] == [True]
    with pytest.raises(SpecError, match="still coming up"):
        find("vm")


def test_what_a_killed_maker_left_is_no_machine_of_its_session(home: Path) -> None:
    settle(place("one", "vm"))
    Journal().intend(handle("half-made"), place("one", "half-made"))
    with sqlite3.connect(home / "STATE" / "machines.db") as database:
        database.execute("UPDATE machines SET owner_start = 'gone' WHERE NOT kept")
    database.close()
    assert [machine.name for machine in session_machines()] == ["one/vm"]
    with pytest.raises(SpecError, match="no running machine 'half-made'"):
        find("half-made")


def test_a_machine_without_a_session_is_no_machine_of_one() -> None:
    journal = Journal()
    journal.intend(handle("run-by-run"))
    journal.intend(handle("net.lan"))
    journal.keep([handle("net.lan")])
    assert session_machines() == []
