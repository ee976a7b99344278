"""A lab runs on a driver that was added by a row and a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from added import plain_driver
from bench import living_in
from habitat import Home, fresh_home
from places import LABS

from orchestrator import drivers
from orchestrator.driver_traits import Boundary
from orchestrator.labfile.load import load_lab
from orchestrator.machines.journal import Journal
from orchestrator.paths import EXERCISES, scratch_dir
from orchestrator.progress import SilentProgress
from orchestrator.record import Status
from orchestrator.run.gc import reclaim
from orchestrator.run.run import Selection, run_lab

pytestmark = pytest.mark.real

LAB = "lab: added\nmachines: {bare: {driver: process}, m: {driver: plain}}\nexercises: [./fine]\n"


@pytest.fixture
def home() -> Iterator[Home]:
    with plain_driver(), fresh_home() as found, living_in(found, anybody=True):
        yield found


def test_it_runs_what_any_other_runs(home: Home) -> None:
    folder = home.root / "lab"
    folder.mkdir()
    (folder / "lab.yaml").write_text(LAB)
    shutil.copytree(LABS / "small/fine", folder / "fine")
    outcome = run_lab(load_lab(folder, EXERCISES), Selection(), home.out, SilentProgress())
    ours = next(record for record in outcome.records if record.machine == "m")
    assert (ours.driver, ours.boundary, ours.status) == ("plain", Boundary.PROCESS, Status.PASS)
    assert {record.status for record in outcome.records} == {Status.PASS}


def test_what_a_killed_run_left_is_found(home: Home) -> None:
    scratch = scratch_dir() / "20260102-030405-0a0b" / "m"
    scratch.mkdir(parents=True)
    (scratch / "plain").touch()
    assert [about.machine for about in drivers.load("plain").leftovers(scratch_dir())] == ["m"]
    assert any("plain machine m" in words for words in list(reclaim(Journal())))
    assert not scratch.exists()
