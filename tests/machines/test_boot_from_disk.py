"""Disks that boot by themselves, as a PC boots: from its hard disk, told nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench import image_of
from habitat import hard_linked

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline, poll
from orchestrator.debian.archive import Archives
from orchestrator.drivers.guest.identity import Port, give, make_keys
from orchestrator.drivers.guest.layout import forwarded_port
from orchestrator.drivers.qemu.qmp import human_command
from orchestrator.host import process
from orchestrator.host.console_log import Console
from orchestrator.images.export.bootdisk import DiskContents, bootable
from orchestrator.transport.ssh import Address, connected

pytestmark = pytest.mark.real

SECONDS = 300.0
PCS = ["amd64", pytest.param("i386", marks=pytest.mark.rotated)]
TYPE_OF_SECOND = 446 + 16 + 4
"""Where a boot sector says what the second partition is: osdev.org, MBR."""


def disk_of(arch: str, root: Path | None = None, words: str = "") -> Path:
    image = image_of(arch)
    contents = DiskContents(image.kernel, image.initrd, f"console=ttyS0 panic=-1 {words}".strip(), root)
    archives = Archives(Deadline.after(SECONDS))
    return bootable(contents, ARCHITECTURES[arch], archives, Deadline.after(SECONDS))


@pytest.mark.parametrize("arch", PCS)
def test_it_boots_to_user_space(tmp_path: Path, arch: str) -> None:
    qemu = shutil.which(ARCHITECTURES[arch].qemu)
    assert qemu
    log = tmp_path / "console"
    argv = [qemu, "-nodefaults", "-display", "none", "-machine", "pc", "-accel", "tcg", "-m", "256M"]
    argv += ["-drive", f"file={disk_of(arch)},format=raw,snapshot=on", "-serial", f"file:{log}"]
    with process.running(argv, executable=Path(qemu)):
        poll(lambda: "isolab: " in Console(log).tail(200), Deadline.after(SECONDS), "the guest's init")
    assert "ISOLINUX" in log.read_text(errors="replace")


@pytest.mark.parametrize("arch", PCS)
def test_it_takes_its_identity_over_a_serial_line(tmp_path: Path, arch: str) -> None:
    """As on machines that have no port of virtio: every byte must arrive as it was sent."""
    qemu = shutil.which(ARCHITECTURES[arch].qemu)
    assert qemu
    deadline, log, keys = Deadline.after(SECONDS), tmp_path / "console", make_keys()
    disk = disk_of(arch, words="net.ifnames=0 isolab.port=ttyS1")
    argv = [qemu, "-nodefaults", "-display", "none", "-machine", "pc", "-accel", "tcg", "-m", "256M"]
    argv += ["-drive", f"file={disk},format=raw,snapshot=on", "-serial", f"file:{log}"]
    argv += ["-serial", f"unix:{tmp_path}/port.sock,server=on,wait=off"]
    argv += ["-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"]
    argv += ["-device", "virtio-net-pci,netdev=net,romfile="]
    argv += ["-qmp", f"unix:{tmp_path}/qmp.sock,server=on,wait=off"]
    (tmp_path / "key").write_bytes(keys.client_private)
    with process.running(argv, executable=Path(qemu)):
        poll((tmp_path / "port.sock").exists, deadline, "QEMU")
        with Port(tmp_path / "port.sock", deadline) as port:
            port.expect("ready", deadline, lambda: None)
            give(port, "by-wire", keys)
            port.expect("sshd", deadline, lambda: None)
        number = forwarded_port(human_command(tmp_path / "qmp.sock", "info usernet", deadline))
        address = Address("127.0.0.1", number, "root", tmp_path / "key", keys.host_public)
        with connected(address, "by-wire", deadline) as transport:
            assert transport.run(["hostname"], deadline=deadline).stdout == b"by-wire\n"


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
