"""Machines that exist already are left as they were found, whatever happens to us or to them."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import living_in, on_bench, order_for
from command import Answer, isolab, records, started
from habitat import Home, fresh_home, own_number, wait_until
from places import LABS
from remote import ACCOUNT, LOOPBACK, Server, guest, reached, sshd

from orchestrator import drivers
from orchestrator.errors import BootError, Unreachable
from orchestrator.paths import state_dir

pytestmark = pytest.mark.real


@pytest.fixture
def home() -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        yield home


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with sshd() as server:
        yield server


class TestWhatStays:
    def test_nothing_there_and_no_note_here(self, home: Home, server: Server) -> None:
        with reached(home, server.keys()) as bench:
            folder = Path(bench.live.handle.data["folder"])
            assert folder.is_dir()
            assert (state_dir() / "remote" / f"{bench.live.handle.tag}.json").exists()
            bench.shell(f"cd /; (setsid sleep {own_number(1)} &)")
        assert not folder.exists()
        assert list((state_dir() / "remote").iterdir()) == []

    def test_what_escaped_and_lives_in_the_folder_is_ended(self, home: Home, server: Server) -> None:
        with reached(home, server.keys(user=ACCOUNT)) as bench:
            sleep = f"sleep {own_number(2)} </dev/null >/dev/null 2>&1 &"
            bench.command("sh", "-c", f"cd {bench.work} && {sleep}")
            wait_until(lambda: bench.processes_with(own_number(2)), "the escaped process")
        # It was told to end for good; whether it has its turn to do so is the kernel's matter.
        wait_until(lambda: not bench.processes_with(own_number(2)), "the end of what escaped")

    def test_folders_without_rights_go_too(self, home: Home, server: Server) -> None:
        with reached(home, server.keys(user=ACCOUNT)) as bench:
            folder = Path(bench.live.handle.data["folder"])
            bench.shell(f"mkdir -p {bench.work}/a/b && chmod 0 {bench.work}/a/b {bench.work}/a")
        assert not folder.exists()

    def test_a_strangers_folder_of_that_name_is_left(self, home: Home, server: Server) -> None:
        order = order_for(LOOPBACK, home, keys=server.keys(user=ACCOUNT))
        folder = Path(drivers.load("ssh").prepare(order).data["folder"])
        folder.mkdir()
        try:
            (folder / "precious").touch()
            with pytest.raises(BootError, match="cannot create"), on_bench(LOOPBACK, order):
                pytest.fail("it was taken")
            assert (folder / "precious").exists()
        finally:
            shutil.rmtree(folder)


def lab_file(home: Home, keys: dict[str, object]) -> Path:
    """A lab with a quick and a slow exercise on this one machine."""
    folder = home.root / "lab"
    shutil.copytree(LABS / "box", folder)
    text = f"lab: elsewhere\nmachines: {{board: {json.dumps({'driver': 'ssh', **keys})}}}\n"
    (folder / "lab.yaml").write_text(text + "exercises: [./quick, ./slow]\n")
    return folder


class TestTheCommand:
    def test_a_run_killed_in_the_middle_is_cleaned_by_gc(self, home: Home, server: Server) -> None:
        with started(home, "run", lab_file(home, server.keys()), "--out", home.out) as run:
            wait_until(lambda: records(home) or run.child.poll() is not None, "the quick one")
            assert run.child.poll() is None, run.said
            (folder,) = map(Path, folders_of(home))
            assert folder.is_dir()
            run.send(signal.SIGKILL)
            run.wait()
        first = isolab(home, "gc")
        assert (first.code, first.stderr) == (0, "")
        assert "board" in first.stdout
        assert not folder.exists()
        assert isolab(home, "gc").stdout == "nothing to remove\n"

    def test_a_machine_that_went_away_does_not_stop_other_runs(self, home: Home) -> None:
        with (
            sshd() as server,
            started(home, "run", lab_file(home, server.keys()), "--out", home.out) as run,
        ):
            wait_until(lambda: records(home) or run.child.poll() is not None, "the quick one")
            (folder,) = map(Path, folders_of(home))
            run.send(signal.SIGKILL)
            run.wait()
        try:
            other = isolab(home, "run", LABS / "small", "--only", "bare", "--out", home.root / "other")
            assert "may remain" in other.stderr
            assert other.code == 0, other.stderr
            failed = isolab(home, "gc")
            assert failed.code == 3
            assert "isolab gc --forget" in failed.stderr
            forgotten = isolab(home, "gc", "--forget")
            assert forgotten.code == 0, forgotten.stderr
            assert isolab(home, "gc").stdout == "nothing to remove\n"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def test_a_machine_that_is_off_is_an_error_with_what_to_do(self, home: Home, server: Server) -> None:
        keys = server.keys(address="127.0.0.1:1")
        answer = isolab(home, "run", lab_file(home, keys), "--out", home.out)
        assert answer.code == 3
        assert "cannot connect to 127.0.0.1:1: Connection refused" in answer.stderr
        assert "hint: check that its SSH server is running" in answer.stderr

    def test_a_guest_of_another_architecture_runs_a_lab(self, home: Home) -> None:
        with guest("s390x", home) as keys:
            folder = lab_file(home, {**keys, "arch": "s390x"})
            text = (folder / "lab.yaml").read_text().replace("[./quick, ./slow]", "[./quick]")
            (folder / "lab.yaml").write_text(text)
            answer: Answer = isolab(home, "run", folder, "--out", home.out)
        assert answer.code == 0, answer.stderr
        (record,) = records(home)
        assert (record["driver"], record["boundary"], record["arch"]) == ("ssh", "emulated", "s390x")
        assert record["status"] == "pass"


def folders_of(home: Home) -> list[str]:
    """The folders on other machines the notes of this home speak of."""
    notes = (home.root / "state" / "remote").glob("*.json")
    return [json.loads(note.read_text())["data"]["folder"] for note in notes]


def test_a_machine_that_does_not_answer_when_it_is_to_be_left(home: Home) -> None:
    with sshd() as server:
        order = order_for(LOOPBACK, home, keys=server.keys())
        with contextlib.ExitStack() as stack:
            bench = stack.enter_context(on_bench(LOOPBACK, order))
            folder = Path(bench.live.handle.data["folder"])
            (server.folder / "authorized_keys").write_text("")
            with pytest.raises(Unreachable, match="may remain") as caught:
                stack.close()
        assert "isolab gc --forget" in caught.value.hint
        shutil.copy(f"{server.client_key}.pub", server.folder / "authorized_keys")
        drivers.load("ssh").down(bench.live.handle)
        assert not folder.exists()
    drivers.load("ssh").down(bench.live.handle)  # again, and nobody needs to answer
    Path(bench.live.handle.scratch).parent.rmdir()  # the run's, which gc removes with its last machine
