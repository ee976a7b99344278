"""Disks that boot by themselves, as a PC boots: from its hard disk, told nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench import image_of
from habitat import hard_linked

from orchestrator import images, proc
from orchestrator.arch import ARCHITECTURES
from orchestrator.console import Console
from orchestrator.deadline import Deadline, poll
from orchestrator.images.bootdisk import Contents, bootable

pytestmark = pytest.mark.real

SECONDS = 180.0
TYPE_OF_SECOND = 446 + 16 + 4
"""Where a boot sector says what the second partition is: osdev.org, MBR."""


def disk_of(arch: str, root: Path | None = None) -> Path:
    image = image_of(arch)
    contents = Contents(image.kernel, image.initrd, "console=ttyS0 panic=-1", root)
    archives = images.Archives(Deadline.after(SECONDS))
    return bootable(contents, ARCHITECTURES[arch], archives, Deadline.after(SECONDS))


@pytest.mark.parametrize("arch", ["amd64", "i386"])
def test_it_boots_to_user_space(tmp_path: Path, arch: str) -> None:
    qemu = shutil.which(ARCHITECTURES[arch].qemu)
    assert qemu
    log = tmp_path / "console"
    argv = [qemu, "-nodefaults", "-display", "none", "-machine", "pc", "-accel", "tcg", "-m", "256M"]
    argv += ["-drive", f"file={disk_of(arch)},format=raw,snapshot=on", "-serial", f"file:{log}"]
    with proc.running(argv, executable=Path(qemu)):
        poll(lambda: "isolab: " in Console(log).tail(200), Deadline.after(SECONDS), "the guest's init")
    assert "ISOLINUX" in log.read_text(errors="replace")


def test_a_root_file_system_is_in_it_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "root.img"
    root.write_bytes(b"not really a file system. " * 40000)
    disk = disk_of("amd64", root).read_bytes()
    assert disk[TYPE_OF_SECOND] == 0x83
    first = int.from_bytes(disk[TYPE_OF_SECOND + 4 : TYPE_OF_SECOND + 8], "little") * 512
    assert disk[first : first + root.stat().st_size] == root.read_bytes()


def test_the_same_files_make_the_same_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = disk_of("amd64").read_bytes()
    monkeypatch.setenv("ISOLAB_CACHE", str(hard_linked(("archive", "images"), tmp_path / "cache")))
    again = disk_of("amd64")
    assert again.is_relative_to(tmp_path)
    assert again.read_bytes() == first
