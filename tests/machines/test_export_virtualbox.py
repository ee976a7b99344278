"""The OVA in the hands of the real VirtualBox: what it makes of our descriptor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import living_in
from habitat import Home, fresh_home
from test_export import exported, folder

from orchestrator.deadline import Deadline
from orchestrator.drivers.virtualbox import vboxmanage
from orchestrator.host import process

pytestmark = pytest.mark.real

vboxhome = pytest.importorskip("vboxhome", reason="comes with the driver for VirtualBox")
__all__ = ["folder"]


@pytest.fixture
def home() -> Iterator[Home]:
    with fresh_home() as home, living_in(home), vboxhome.virtualbox(home):
        yield home


def manage(*words: str | Path) -> str:
    """VBoxManage's answer; asked as the driver asks, for its server ends between two commands."""
    return vboxmanage.ask([str(word) for word in words], Deadline.after(300))


def test_it_imports_as_the_machine_the_descriptor_says(home: Home, folder: Path) -> None:
    ova = shutil.copy(exported(folder, "ova"), home.root / "micro.ova")
    base = home.root / "machines"
    manage("import", ova, "--vsys", "0", "--vmname", "imported", "--basefolder", base)
    try:
        lines = manage("showvminfo", "imported", "--machinereadable").splitlines()
        about = dict(line.split("=", 1) for line in lines if "=" in line)
        plain = {key.strip('"'): value.strip('"') for key, value in about.items()}
        assert (plain["memory"], plain["cpus"], plain["firmware"]) == ("512", "1", "BIOS")
        assert plain["nic1"] == "nat"
        assert plain["nictype1"] in ("82540EM", "82545EM")  # PRO/1000 MT, both for e1000
        assert plain["storagecontrollertype0"] == "PIIX4"
        (disk,) = [value for key, value in plain.items() if key.endswith("-0-0") and value.startswith("/")]
        assert Path(disk).is_relative_to(base)
        assert process.run(
            ["qemu-img", "compare", disk, exported(folder, "raw")], deadline=Deadline.after(120)
        )
    finally:
        manage("unregistervm", "imported", "--delete")
