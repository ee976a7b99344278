"""Whose processes are whose: a path of the same name in another mount namespace is another one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from habitat import wait_until

from orchestrator.classes.web import actions as board_actions
from orchestrator.drivers.guest import vde
from orchestrator.drivers.model import TAG
from orchestrator.drivers.qemu import emulator
from orchestrator.host import process, process_table

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounting takes root")


def tool(name: str) -> Path:
    return Path(shutil.which(name) or name)


def test_a_process_in_a_folder_lives_there(tmp_path: Path) -> None:
    lives, near = process_table.lives_in(str(tmp_path)), process_table.lives_in(str(tmp_path)[:-1])
    with process.running(["sh", "-c", f"cd {tmp_path} && exec sleep 1000"], executable=tool("sh")) as pid:
        wait_until(lambda: process_table.still(pid, process_table.lives_in(str(tmp_path.parent))), "cd")
        assert not lives(pid)  # it stands at the folder, not in it
        assert not near(pid)
        assert process_table.sees(pid, tmp_path)
    (tmp_path / "in").mkdir()
    with process.running(["sh", "-c", f"cd {tmp_path}/in && exec sleep 1000"], executable=tool("sh")) as pid:
        wait_until(lambda: lives(pid), "the process to stand in the folder")
        (tmp_path / "in").rmdir()
        assert lives(pid)  # although its folder is gone


@pytest.mark.parametrize(
    "search",
    [
        lambda: emulator.running(Path("/s")),
        lambda: vde.running(Path("/s"), vde.QEMU),
        lambda: iter(board_actions._live_tags()),
    ],
    ids=["machines", "switches", "a class's machines"],
)
def test_who_ends_while_it_is_looked_at_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, search: Callable[[], Iterator[object]]
) -> None:
    """Of each process the arguments can be read once, for it is gone then: other people's end at any time."""
    asked: set[int] = set()

    def once(pid: int) -> list[str]:
        if pid in asked:
            raise FileNotFoundError(pid)
        asked.add(pid)
        switch = ["/usr/bin/vde_switch", "-s", "/s/20261130-120000-abcdef/net.lan/qemu"]
        return ["qemu-system-arm", "-name", f"{TAG}-20261130-120000-abcdef-vm", *switch]

    monkeypatch.setattr(process_table, "arguments", once)
    list(search())
    assert asked


@needs_root
def test_one_in_a_folder_of_the_same_name_elsewhere_does_not(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    script = f"mount -t tmpfs none {tmp_path} && mkdir {tmp_path}/in && cd {tmp_path}/in && exec sleep 1000"
    argv = ["unshare", "--mount", "sh", "-c", script]
    with process.running(argv, executable=tool("unshare")) as pid:
        wait_until(lambda: Path(f"/proc/{pid}/cwd").readlink() == tmp_path / "in", "the other folder")
        assert not process_table.lives_in(str(tmp_path))(pid)
        assert not process_table.sees(pid, tmp_path / "in")
        assert not process_table.sees(pid, tmp_path / "gone")


def test_what_may_not_be_looked_at_is_ours_unless_it_is_in_a_pid_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise PermissionError

    monkeypatch.setattr(os.path, "samefile", refuse)
    depths = {1: 1, 2: 2, os.getpid(): 1}
    monkeypatch.setattr(process_table, "_depth", depths.__getitem__)
    assert process_table.sees(1, tmp_path)
    assert not process_table.sees(2, tmp_path)


def test_who_started_us_is_above_us() -> None:
    assert os.getppid() in process_table.ancestors()
    assert os.getpid() not in process_table.ancestors()


def test_a_program_that_left_its_folder_is_known_by_its_home(tmp_path: Path) -> None:
    home = tmp_path / "machine" / "home"
    away = f"export HOME={home} ISOLAB_TAG=run; cd /; exec sleep 1000"
    with process.running(["sh", "-c", away], executable=tool("sh")) as pid:
        wait_until(lambda: home in process_table.places(pid), "its environment")
        assert process_table.belongs_to(str(tmp_path))(pid)  # which has never been there
        assert not process_table.belongs_to(f"{tmp_path}/mach")(pid)
    with process.running(
        ["sh", "-c", f"export HOME={home}; cd /; exec sleep 1000"], executable=tool("sh")
    ) as pid:
        wait_until(lambda: process_table.name_of(pid) == "sleep", "its environment")
        assert not process_table.belongs_to(str(tmp_path))(pid)  # no program of an exercise


def test_what_multiplies_is_ended_without_a_rest(tmp_path: Path) -> None:
    """As many as there are, each replaced by another: one after the other, they would go on."""
    (tmp_path / "in").mkdir()
    script = f"cd {tmp_path}/in; end=$(($(date +%s) + 100)); "
    script += "again() { [ $(date +%s) -lt $end ] || exit; sleep 0.02; again & exit; }; "
    script += "for i in 1 2 3 4 5 6; do again & done; wait"
    lives = process_table.belongs_to(str(tmp_path))
    with process.running(["setsid", "sh", "-c", script], executable=tool("setsid")):
        # One is enough: on a busy host most are gone before their turn in the look through the table.
        wait_until(lambda: any(True for _ in process_table.find(lives)), "one of them")
        assert process_table.end_all(lives) == set()
    assert not list(process_table.find(lives))
