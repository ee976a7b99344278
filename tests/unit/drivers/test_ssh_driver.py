"""The ssh driver's decisions, and its removal script run by this host's own shell."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from factories import order

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import Handle, Order
from orchestrator.drivers.ssh.driver import DRIVER, render_address, render_removal, render_site
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.host.process_table import arguments, find
from orchestrator.labfile.models import Machine
from orchestrator.labfile.ssh_endpoint import parse_host_key

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFaX1H1cMZJNLqh1sBuLBNqv3qsoKHuYTYmTq2mBN4Oi"
BLOB = parse_host_key(KEY)


def board(**keys: object) -> Machine:
    return Machine.model_validate({"driver": "ssh", "address": "board:2222", **keys})


def wanted(**keys: object) -> Order:
    return replace(order("arm64", "none"), machine=board(host_key=KEY, arch="arm64", **keys))


def test_the_address_is_as_the_lab_says() -> None:
    found = render_address(board(user="pi", key="/keys/id", jump="me@gate"), "me", (BLOB,), (b"gate",))
    assert (found.host, found.port, found.user, found.client_key) == ("board", 2222, "pi", Path("/keys/id"))
    assert (found.host_keys, found.foreign) == ((BLOB,), True)
    assert found.jump is not None
    assert (found.jump.host, found.jump.port, found.jump.user) == ("gate", 22, "me")
    assert found.jump.host_keys == (b"gate",)


def test_without_names_it_is_who_starts_us_and_the_jump_hosts_user_is_the_machines() -> None:
    found = render_address(board(jump="gate"), "me", (BLOB,), (b"gate",))
    assert (found.user, found.client_key) == ("me", None)
    assert found.jump is not None
    assert found.jump.user == "me"


def test_root_runs_programs_as_two_users_without_accounts() -> None:
    site = render_site("/tmp/x", 0, disposable=False)
    assert (site.runner, site.work) == (("/tmp/x/bin/run",), "/tmp/x/work")
    assert (site.users, site.switch) == ({"student": 60600, "other": 60601}, True)
    assert render_site("/tmp/x", 0, disposable=True).users["root"] == 0


def test_anybody_else_runs_them_as_himself() -> None:
    site = render_site("/tmp/x", 1000, disposable=True)
    assert (site.users, site.switch) == ({"student": 1000}, False)


def test_the_handle_names_the_folder_and_survives_json() -> None:
    handle = DRIVER.prepare(wanted(user="pi", folder="/var/tmp", boundary="emulated"))
    assert handle.data["folder"] == f"/var/tmp/isolab-{handle.run}-arm64"
    assert (handle.boundary, handle.accel) == ("emulated", "none")
    assert Handle.from_json(handle.to_json()) == handle


def test_a_key_that_is_not_there_is_told_before_anything_is_tried() -> None:
    machine = board(host_key=KEY, key="/nowhere/id")
    with pytest.raises(Unavailable, match="no private key /nowhere/id"):
        DRIVER.check(machine, order().arch)


def remove(folder: Path) -> int:
    done = process.run(["sh"], deadline=Deadline.after(60), stdin=render_removal(str(folder)), check=False)
    return done.code


def test_removal_ends_what_lives_in_the_folder_and_nothing_else(tmp_path: Path) -> None:
    folder, neighbour = tmp_path / "isolab-1-board", tmp_path / "isolab-1-board2"
    for place in (folder, neighbour):
        (place / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("sleep") or "", place / "bin" / "sleep")
    with (
        process.running(["sleep", "7654"], executable=folder / "bin/sleep") as inside,
        process.running(["sleep", "7655"], executable=neighbour / "bin/sleep") as outside,
    ):
        assert remove(folder) == 0
        assert not folder.exists()
        poll(lambda: inside not in alive(), Deadline.after(60), "the end of what lived there")
        assert outside in alive()
        assert neighbour.exists()


def alive() -> list[int]:
    return list(find(lambda pid: arguments(pid)[:1] == ["sleep"]))


def test_removal_of_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert remove(tmp_path / "isolab-1-board") == 0


def test_a_link_of_that_name_is_a_strangers(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    link = tmp_path / "isolab-1-board"
    link.symlink_to(precious)
    assert remove(link) == 0
    assert link.is_symlink()
    assert precious.exists()


def test_a_dot_in_the_folders_name_stands_for_itself(tmp_path: Path) -> None:
    assert b"/var/tmp\\.d/" in render_removal("/var/tmp.d/isolab-1-board")
