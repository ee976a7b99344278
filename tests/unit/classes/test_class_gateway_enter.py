"""The script behind every key, where it leads to no machine; the rest is tried with real ones."""

from __future__ import annotations

import contextlib
import fcntl
import sys
from pathlib import Path

import pytest

from orchestrator.classes.gateway.client_config import render_config
from orchestrator.classes.gateway.enter import SLOTS, render_enter
from orchestrator.classes.gateway.lifecycle import INSIDE
from orchestrator.classes.gateway.standing import Place
from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.host.process import Finished

NAMES = ("lab", "desk", "board")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The gateway's files, with ada's desk that is up, on a port where nobody listens."""
    seat, slots = tmp_path / "seats/ada", tmp_path / "slots/ada"
    seat.mkdir(parents=True)
    slots.mkdir(parents=True)
    for number in range(SLOTS):
        (slots / str(number)).touch()
    for script in INSIDE.glob("*.py"):
        (tmp_path / script.name).write_text(script.read_text())
    dial = [sys.executable, "-I", "-S", str(tmp_path / "dial.py")]
    place = Place("ada", "desk", "", 1, "")
    (seat / "config").write_text(render_config({"desk": place}, seat, dial))
    (tmp_path / "enter").write_text(render_enter(tmp_path, sys.executable, NAMES))
    return tmp_path


def enter(files: Path, line: str = "", name: str = "desk") -> Finished:
    env = {"LOGNAME": name, **({"SSH_ORIGINAL_COMMAND": line} if line else {})}
    argv: list[str | Path] = ["/bin/sh", files / "enter", "ada", "secret"]
    return process.run(argv, deadline=Deadline.after(60), check=False, env=env)


def test_a_machine_that_is_not_up(files: Path) -> None:
    for line in ("", "true", "isolab sftp"):
        done = enter(files, line, "board")
        assert (done.code, done.stdout) == (69, b"")
        assert done.stderr.startswith(b"isolab: board is not up: it may be coming up or being reset")


def test_a_machine_that_there_never_is(files: Path) -> None:
    for line in ("", "true", "isolab sftp", "isolab connect bord"):
        done = enter(files, line, "bord")
        assert (done.code, done.stdout) == (69, b"")
        assert done.stderr == b"isolab: there is no machine bord: yours are lab, desk, board\n"


def test_a_machine_that_does_not_answer(files: Path) -> None:
    for line in ("true", "isolab connect", "isolab connect desk"):
        done = enter(files, line)
        assert done.code != 0
        assert done.stderr.startswith(b"isolab: desk does not answer"), done.stderr


@pytest.mark.parametrize("name", ["../ada", "desk; touch harm", "*", "-x", "127.0.0.1", "desk board", "Port"])
def test_connect_takes_names_of_machines_only(files: Path, name: str) -> None:
    done = enter(files, f"isolab connect {name}")
    assert (done.code, done.stdout) == (69, b"")
    assert done.stderr.decode() == f"isolab: there is no machine {name}: yours are lab, desk, board\n"
    assert not (files / "harm").exists()


def test_in_an_examination_nothing_goes_through(files: Path) -> None:
    (files / "enter").write_text(render_enter(files, sys.executable, NAMES, through=False))
    done = enter(files, "isolab connect desk")
    assert (done.code, done.stdout) == (69, b"")
    assert b"in an examination" in done.stderr


def test_there_is_a_limit_to_the_sessions_of_a_seat(files: Path) -> None:
    with contextlib.ExitStack() as held:
        for number in range(SLOTS):
            file = held.enter_context((files / "slots/ada" / str(number)).open())
            fcntl.flock(file, fcntl.LOCK_EX)
        done = enter(files)
        assert (done.code, done.stdout) == (69, b"")
        assert f"you have {SLOTS} sessions open".encode() in done.stderr
