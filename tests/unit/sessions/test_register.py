"""The register of machines that stay, and the names people call them by."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from factories import RUN, handle, order

from orchestrator.drivers.model import Template
from orchestrator.errors import SpecError
from orchestrator.machines.journal import Ledger
from orchestrator.sessions.lifecycle import tidy
from orchestrator.sessions.lookup import find, residents, select
from orchestrator.sessions.register import Register, Stay, stay_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    return tmp_path


def stay(session: str, machine: str, arch: str = "amd64") -> Stay:
    return stay_of(session, "/labs/one/lab.yaml", replace(order(arch), name=machine))


def settle(*stays: Stay) -> None:
    """Make these stay: in the register, and kept in the ledger."""
    register, ledger = Register(), Ledger()
    for number, one in enumerate(stays):
        # Sessions have runs of their own.
        mine = replace(one, run=f"{RUN[:-1]}{number:x}")
        about = handle(one.machine, run=mine.run)
        ledger.intend(about)
        register.enter(mine)
        ledger.keep([about])


def test_orders_come_back_as_they_were() -> None:
    wanted = replace(
        order("s390x", memory="300MiB", boot_timeout="5s", engine="docker"), template=Template(Path("/t"))
    )
    entered = stay_of("one", "/labs/one/lab.yaml", wanted)
    Register().enter(entered)
    assert Register().stays() == [entered]
    Register().strike(entered)
    assert Register().stays() == []


def test_an_order_of_another_version_can_still_be_named_and_taken_down(home: Path) -> None:
    settle(stay("one", "vm"))
    with sqlite3.connect(home / "STATE" / "stays.db") as database:
        database.execute("""UPDATE stays SET wanted = '{"run": 1}'""")
    database.close()
    found = find("one/vm")
    assert (found.stay.order, found.handle.machine) == (None, "vm")


def test_a_machine_is_called_by_its_name_its_full_name_or_its_session() -> None:
    settle(stay("one", "vm"), stay("one", "big"), stay("two", "other"))
    assert find("vm").stay.name == find("one/vm").stay.name == "one/vm"
    assert find("two").stay.name == "two/other"  # a session of one
    assert [r.stay.name for r in select(["one", "vm", "two/other"])] == ["one/big", "one/vm", "two/other"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("vm", "name one of: one/vm, two/vm"),
        ("one", "name one of: one/big, one/vm"),
        ("bgi", "did you mean 'big'?"),
        ("zzz", "there are: one/big, one/vm, two/vm"),
        ("one/vn", "did you mean 'one/vm'?"),
    ],
)
def test_a_name_that_is_none_or_several(name: str, hint: str) -> None:
    settle(stay("one", "vm"), stay("one", "big"), stay("two", "vm"))
    with pytest.raises(SpecError) as refused:
        find(name)
    assert refused.value.hint == hint


def test_a_machine_and_a_session_of_one_name() -> None:
    settle(stay("vm", "a"), stay("one", "vm"))
    with pytest.raises(SpecError, match="several machines"):
        select(["vm"])


def test_nothing_stays() -> None:
    with pytest.raises(SpecError) as refused:
        find("vm")
    assert "isolab up" in refused.value.hint


def test_a_machine_that_is_coming_up_is_seen_but_not_yet_for_use() -> None:
    coming = stay("one", "vm")
    Register().enter(coming)
    Ledger().intend(handle("vm"))
    assert [r.coming for r in residents()] == [True]
    with pytest.raises(SpecError, match="still coming up"):
        find("vm")


def test_what_the_ledger_does_not_know_is_struck() -> None:
    settle(stay("one", "vm"))
    Register().enter(stay("two", "lost"))
    assert [r.stay.name for r in residents()] == ["one/vm"]
    assert list(tidy()) == ["the entry of two/lost, which is not there"]
    assert list(tidy()) == []
    assert [s.name for s in Register().stays()] == ["one/vm"]
