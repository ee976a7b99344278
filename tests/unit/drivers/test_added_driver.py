"""A driver needs a row and a folder, and nothing else of isolab knows its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from added import plain_driver
from lab_files import load, make_folder, mistakes

from orchestrator import drivers
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.errors import Unavailable
from orchestrator.exercises.submission import machines_for_students
from orchestrator.host.resources import Host
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Machine
from orchestrator.labfile.plan import plan
from orchestrator.machines.host_packages import GPGV, KEYS, needs_of

LAB = "lab: a\nnetworks: {lan: {}}\nmachines: {m: {driver: plain}}\nexercises: [ipc/pipes]\n"
FOREIGN = next(name for name in ARCHITECTURES if name != host_arch().name)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with plain_driver():
        yield make_folder(tmp_path)


@pytest.fixture
def lab(folder: Path) -> LoadedLab:
    return load(folder, LAB, host=host_arch().name)


def test_without_its_row_it_is_not_known(tmp_path: Path) -> None:
    (found,) = mistakes(make_folder(tmp_path), LAB.replace("plain", "»plain"))
    assert found.startswith("» expected one of: process, sandbox")


def test_a_lab_may_name_it(lab: LoadedLab) -> None:
    assert lab.lab.machines["m"].driver == "plain"


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (
            "networks: [»lan]",
            "m cannot join a network: driver plain does not support networks between machines",
        ),
        (f"arch: »{FOREIGN}", "driver plain runs on the host's kernel"),
        ("pids: »64", "pids is a key for driver container, not plain"),
        ("address: »board", "address is a key for driver ssh, not plain"),
    ],
)
def test_what_its_row_does_not_say_it_cannot_do(folder: Path, key: str, complaint: str) -> None:
    (found,) = mistakes(folder, LAB.replace("driver: plain", f"driver: plain, {key}"), host_arch().name)
    assert found.startswith(f"» {complaint}")


def test_it_is_planned(lab: LoadedLab) -> None:
    (machine,) = plan(lab, Host("here", 2**30, 2)).machines
    assert (machine.driver, machine.boundary, machine.memory, machine.ports) == ("plain", "process", 0, 0)


def test_a_students_work_does_not_run_on_it(lab: LoadedLab) -> None:
    with pytest.raises(Exception, match="does not run on m"):
        machines_for_students(lab, ())


def test_its_folder_is_found(lab: LoadedLab) -> None:
    with pytest.raises(Unavailable, match="programs of this host"):
        drivers.load("plain").check(Machine(driver="plain"), ARCHITECTURES[FOREIGN])


def test_it_need_not_say_what_it_needs(lab: LoadedLab) -> None:
    assert needs_of([Machine(driver="plain")]) == [GPGV, KEYS]
