"""Cleaning up after killed runs: everything of theirs goes, nothing of a live run is touched."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, handle

from orchestrator import drivers
from orchestrator.cli.gc import gc
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle
from orchestrator.errors import Exit, SpecError, TeardownError, Unreachable
from orchestrator.host import process, process_table
from orchestrator.host.tempdirs import LOCK
from orchestrator.machines.journal import Journal
from orchestrator.paths import STATE_NOTE, scratch_dir
from orchestrator.run import foreign
from orchestrator.run import gc as module
from orchestrator.run.foreign import ForeignScratch
from orchestrator.run.gc import reclaim

LIVE = "20260102-030405-aaaa"
CANARY_TAG = "isolab-unit-test"
"""Not the real one: other runs on this host have canaries of their own."""


@dataclass
class FakeDriver:
    """Notes what it is told to remove; ``stubborn`` machines refuse, ``away`` ones do not answer."""

    found: list[Handle] = field(default_factory=list)
    downed: list[str] = field(default_factory=list)
    stubborn: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    forgotten: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    searched: list[Path] = field(default_factory=list)

    def forget(self, about: Handle) -> None:
        self.forgotten.append(about.machine)

    def down(self, about: Handle) -> None:
        self.asked.append(about.machine)
        if about.machine in self.away:
            raise Unreachable(f"{about.machine}: does not answer", hint="gc --forget")
        if about.machine in self.stubborn:
            raise TeardownError(f"{about.machine}: cannot be ended")
        self.downed.append(about.machine)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        self.searched.append(scratch)
        yield from self.found


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    fake = FakeDriver()
    monkeypatch.setattr(module, "TRAITS", ("fake",))
    monkeypatch.setattr(drivers, "load", lambda _: fake)
    monkeypatch.setattr(module, "TAG", CANARY_TAG)
    (tmp_path / "SCRATCH").mkdir(mode=0o711)
    return fake


def orphan(path: Path) -> None:
    """Make the owner of all machines of the dead run dead."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE machines SET owner_start = 'gone' WHERE run = ?", (RUN,))
    database.close()


@pytest.fixture
def journal(driver: FakeDriver, tmp_path: Path) -> Journal:
    """Two machines of a dead run, one of a live one."""
    found = Journal()
    for about in (handle("a"), handle("b"), handle("c", run=LIVE)):
        found.intend(about)
    orphan(tmp_path / "STATE" / "machines.db")
    return found


def test_machines_of_dead_owners_go_and_are_named(journal: Journal, driver: FakeDriver) -> None:
    said = list(reclaim(journal, only_dead_owners=True))
    assert said == [f"machine a of run {RUN} (qemu)", f"machine b of run {RUN} (qemu)"]
    assert driver.downed == ["a", "b"]
    assert [entry.handle.machine for entry in journal.entries()] == ["c"]


def test_kept_machines_and_their_folders_are_nobodys_leftovers(
    journal: Journal, driver: FakeDriver, tmp_path: Path
) -> None:
    journal.keep([handle("a")])
    driver.found = [handle("a"), handle("z")]
    folder = scratch_dir() / RUN
    folder.mkdir()
    said = list(reclaim(journal))
    assert driver.downed == ["b"]
    assert folder.exists()
    assert said == [f"machine b of run {RUN} (qemu)"]


def test_a_network_goes_after_the_machines_that_work_on_it(tmp_path: Path, driver: FakeDriver) -> None:
    journal = Journal()
    for machine in ("net.lan", "vm", "s390x"):
        journal.intend(handle(machine))
    orphan(tmp_path / "STATE" / "machines.db")
    driver.found = [handle("net.dock"), handle("crate")]
    list(reclaim(journal))
    assert driver.downed == ["vm", "s390x", "net.lan", "crate", "net.dock"]


def test_a_second_time_there_is_nothing(journal: Journal) -> None:
    list(reclaim(journal))
    assert list(reclaim(journal)) == []


def test_what_cannot_be_removed_stays_in_the_journal_and_is_told(
    journal: Journal, driver: FakeDriver
) -> None:
    driver.stubborn = ("a",)
    with pytest.raises(TeardownError, match="a: cannot be ended"):
        list(reclaim(journal))
    assert driver.downed == ["b"]
    assert [entry.handle.machine for entry in journal.entries()] == ["a", "c"]


def test_what_does_not_answer_is_told_apart_from_what_refuses(journal: Journal, driver: FakeDriver) -> None:
    driver.away = ("a",)
    with pytest.raises(Unreachable, match="a: does not answer\n  hint: gc --forget"):
        list(reclaim(journal, only_dead_owners=True))
    driver.stubborn = ("c",)
    driver.found = [handle("c", run="20250101-000000-ffff")]
    with pytest.raises(TeardownError, match="c: cannot be ended") as caught:
        list(reclaim(journal))
    assert not isinstance(caught.value, Unreachable)


def test_what_does_not_answer_is_asked_once_though_it_is_known_twice(
    journal: Journal, driver: FakeDriver
) -> None:
    driver.away, driver.found = ("a",), [handle("a")]
    with pytest.raises(Unreachable):
        list(reclaim(journal))
    assert driver.asked.count("a") == 1


def test_what_does_not_answer_can_be_forgotten(journal: Journal, driver: FakeDriver) -> None:
    driver.away = ("a",)
    list(reclaim(journal, forget=True))
    assert driver.forgotten == ["a"]
    assert [entry.handle.machine for entry in journal.entries()] == ["c"]


def test_tagged_machines_no_journal_knows_go_unless_their_run_lives(
    journal: Journal, driver: FakeDriver
) -> None:
    unknown = "20250101-000000-ffff"
    driver.found = [handle("x", run=unknown), handle("c", run=LIVE), handle("d", run=LIVE)]
    said = list(reclaim(journal))
    assert f"qemu machine x of run {unknown}, not in any journal" in said
    assert driver.downed == ["a", "b", "x"]


def test_the_quick_way_takes_only_the_journals_word(journal: Journal, driver: FakeDriver) -> None:
    driver.found = [handle("x", run="20250101-000000-ffff")]
    list(reclaim(journal, only_dead_owners=True))
    assert "x" not in driver.downed


def test_scratch_folders_of_dead_runs_go(journal: Journal, tmp_path: Path) -> None:
    scratch = scratch_dir()
    for name in (RUN, LIVE, "something-else"):
        (scratch / name / "vm").mkdir(parents=True)
    assert f"scratch folder {scratch / RUN}" in list(reclaim(journal))
    assert {path.name for path in scratch.iterdir()} == {LIVE, "something-else", STATE_NOTE}


def test_a_scratch_folder_somebody_lives_in_stays(journal: Journal, tmp_path: Path) -> None:
    folder = scratch_dir() / RUN / "process" / "bin"
    folder.mkdir(parents=True)
    shutil.copy(shutil.which("sleep") or "", folder / "sleep")
    with process.running(["sleep", "1000"], executable=folder / "sleep"):
        with pytest.raises(TeardownError, match=r"in use by process \d+ \(sleep\)"):
            list(reclaim(journal))
        assert folder.exists()
    list(reclaim(journal))
    assert not folder.exists()


@dataclass
class FakeProcesses:
    """Processes by id: their arguments and parent. Stands in for the host's."""

    table: dict[int, tuple[list[str], int]]
    ended: list[int] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process_table, "read", self.read)
        monkeypatch.setattr(process_table, "arguments", lambda pid: self.table[pid][0])
        monkeypatch.setattr(process_table, "parent", lambda pid: self.table[pid][1])
        monkeypatch.setattr(process_table, "ancestors", set)
        monkeypatch.setattr(process_table, "end", self.end)

    def read(self, look: Callable[[int], Any]) -> list[tuple[int, Any]]:
        return [(pid, seen) for pid in self.table if (seen := look(pid))]

    def end(self, pid: int, patience: float) -> bool:
        self.ended.append(pid)
        return True


def test_only_orphaned_canaries_of_dead_runs_go(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, live = (f"{CANARY_TAG}-canary-{scratch_dir().name}-{run}" for run in (RUN, LIVE))
    first = 2**30  # beyond any process id
    processes = FakeProcesses(
        {
            first: ([dead, "--canary"], 1),
            first + 1: ([live, "--canary"], 1),
            first + 2: ([dead, "--canary"], 4321),
            first + 3: ([dead, "--serve"], 1),
            first + 4: (["vi", dead, "--canary"], 1),
            first + 5: ([], 1),
            first + 6: ([f"{CANARY_TAG}-canary-abcdefgh-{RUN}", "--canary"], 1),  # of another state folder
        }
    )
    processes.install(monkeypatch)
    assert f"canary process {first}" in list(reclaim(journal))
    assert processes.ended == [first]


def test_half_made_cache_folders_go_unless_somebody_is_making_them(journal: Journal, tmp_path: Path) -> None:
    cache = tmp_path / "CACHE"
    for name in (
        "images/.micro-amd64-key-x1y2",
        "images/.busy-amd64-key-x1y2",
        "images/whole-amd64-key",
        "locks",
    ):
        (cache / name).mkdir(parents=True)
    with (cache / "locks" / "images-busy-amd64-key").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "incomplete images micro-amd64-key" in list(reclaim(journal))
    assert {path.name for path in (cache / "images").iterdir()} == {".busy-amd64-key-x1y2", "whole-amd64-key"}


def test_a_machine_that_came_up_during_the_search_is_not_touched(
    journal: Journal, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = "20260102-030405-bbbb"

    def search(_scratch: Path) -> Iterator[Handle]:
        journal.intend(handle("new", run=fresh))  # another isolab starts it now
        yield handle("new", run=fresh)

    monkeypatch.setattr(driver, "leftovers", search)
    list(reclaim(journal))
    assert "new" not in driver.downed


def test_a_folder_made_during_the_search_is_not_touched(
    journal: Journal, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = "20260102-030405-bbbb"

    def start(_about: Handle) -> None:
        journal.intend(handle("new", run=fresh))
        (scratch_dir() / fresh).mkdir(exist_ok=True)

    monkeypatch.setattr(driver, "down", start)
    list(reclaim(journal, only_dead_owners=True))
    assert (scratch_dir() / fresh).exists()


def command_of(about: Handle) -> list[str]:
    """Like a `podman run` that a killed isolab left."""
    return ["sleep", "1000", "--pidfile", f"{about.scratch}/pid"]


def visible(pid: int) -> None:
    """Wait until a process has its own arguments, not those of whoever started it."""
    deadline = Deadline.after(60)
    while "--pidfile" not in process_table.arguments(pid) and deadline.remaining():
        deadline.cancellation.wait(0.01)


def test_what_a_command_of_a_killed_run_still_made_goes_as_well(
    journal: Journal, driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, seen, still = tmp_path / "podman", tmp_path / "seen", process_table.still
    script.write_text(f"#!/bin/sh\nwhile [ ! -e {seen} ]; do sleep 0.05; done\n")
    script.chmod(0o755)

    def asked(pid: int, test: Callable[[int], bool]) -> bool:
        seen.touch()  # it ends once it has been waited for
        return still(pid, test)

    monkeypatch.setattr(process_table, "still", asked)
    with process.running(command_of(handle("a")), executable=script) as pid:
        visible(pid)
        list(reclaim(journal, only_dead_owners=True))
    assert driver.downed == ["a", "a", "b"]  # again when the command had ended


def test_a_command_that_does_not_end_is_told_and_not_killed(
    journal: Journal, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.1)
    script = tmp_path / "podman"
    script.write_text("#!/bin/sh\nsleep 1000 & trap 'kill $!' TERM; wait\n")
    script.chmod(0o755)
    with process.running(command_of(handle("a")), executable=script) as pid:
        visible(pid)
        with pytest.raises(TeardownError, match=rf"a: still being worked on by process {pid} \(podman\)"):
            list(reclaim(journal, only_dead_owners=True))
        assert process_table.arguments(pid)
        process_table.end(pid, patience=5)
    assert [entry.handle.machine for entry in journal.entries()] == ["a", "c"]


@pytest.fixture
def other(driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ForeignScratch:
    """The scratch folder of another state folder, with something in it."""
    with monkeypatch.context() as patch:
        patch.setenv("ISOLAB_STATE", str(tmp_path / "OTHER"))
        (scratch_dir() / RUN / "vm").mkdir(parents=True)
    (found,) = foreign.elsewhere()
    return found


def test_what_belongs_to_another_state_folder_is_neither_removed_nor_told(
    journal: Journal, other: ForeignScratch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gc("text") is Exit.PASSED
    assert (other.folder / RUN / "vm").exists()
    assert other.token not in capsys.readouterr().out


def test_without_its_state_folder_it_is_told_and_removed_when_asked(
    journal: Journal, driver: FakeDriver, other: ForeignScratch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(other.state)
    assert gc("text") is Exit.PASSED
    assert (other.folder / RUN / "vm").exists()
    assert f"isolab gc --foreign {other.token}" in capsys.readouterr().out
    driver.found = [handle("x", run="20250101-000000-ffff")]
    assert gc("text", foreign=other.token) is Exit.PASSED
    assert not other.folder.exists()
    assert driver.searched[-1] == other.folder


def test_only_a_token_nobody_uses_may_be_removed(
    journal: Journal, other: ForeignScratch, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match="which is in use"):
        gc("text", foreign=other.token)
    with pytest.raises(SpecError, match="of this state folder"):
        gc("text", foreign=scratch_dir().name)
    with pytest.raises(SpecError, match="no scratch folder has the token 'abcdefgh'") as caught:
        gc("text", foreign="abcdefgh")
    assert other.token in caught.value.hint
    shutil.rmtree(other.state)
    (other.folder / "try-x").mkdir()
    with (other.folder / "try-x" / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SpecError, match="a running isolab works in"):
            gc("text", foreign=other.token)
    assert (other.folder / RUN / "vm").exists()


def test_what_an_older_isolab_left_is_removed_only_if_the_journal_names_it(
    journal: Journal, driver: FakeDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    stray = scratch_dir().parent / "20250101-000000-ffff"
    (stray / "vm").mkdir(parents=True)
    assert gc("text") is Exit.PASSED
    assert stray.exists()
    assert f"left alone: {stray}, of an older isolab" in capsys.readouterr().out
