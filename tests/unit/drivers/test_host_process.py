"""Machines that are processes of this host: nothing of theirs is forgotten while it runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from habitat import wait_until

from orchestrator.drivers import load
from orchestrator.host import process, process_table


def test_programs_are_leftovers_although_their_machines_folder_is_gone(tmp_path: Path) -> None:
    machine = tmp_path / "20260102-030405-aaaa" / "bare"
    home = machine / "home" / "student"
    home.mkdir(parents=True)
    script = f"export HOME={home} ISOLAB_TAG=run; cd {home}; exec sleep 1000"
    with process.running(["sh", "-c", script], executable=Path("/bin/sh")) as pid:
        wait_until(lambda: process_table.name_of(pid) == "sleep", "the program")
        driver = load("process")
        assert not list(driver.leftovers(tmp_path))  # it may be a machine of another kind
        shutil.rmtree(tmp_path / "20260102-030405-aaaa")
        (left,) = driver.leftovers(tmp_path)
        assert (left.run, left.machine, left.scratch) == ("20260102-030405-aaaa", "bare", str(machine))
        driver.down(left)
        assert not list(driver.leftovers(tmp_path))
