"""Exported appliances: they boot on a PC nobody told anything, and let their owner in."""

from __future__ import annotations

import contextlib
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import Kind, living_in, on_bench, order_for
from command import isolab
from habitat import Home, fresh_home
from ports import free_port
from sshd_files import make_key

from orchestrator.deadline import Deadline, poll
from orchestrator.host import process
from orchestrator.host.cache import sha256_file
from orchestrator.host.console_log import Console
from orchestrator.images.export.appliance import ADAPTERS, DISKS

pytestmark = pytest.mark.real

SECONDS = 900.0
"""A whole boot through the firmware, with a kernel for any PC, on an emulated processor."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    make_key(folder / "id")
    return folder


def exported(folder: Path, form: str) -> Path:
    """What the command writes, made once."""
    target = folder / f"micro.{form}"
    if not target.exists():
        with fresh_home() as home:
            words = ("--arch", "amd64", "--format", form, "--out", target, "--name", "bench")
            answer = isolab(
                home,
                "images",
                "export",
                "micro",
                *words,
                "--authorized-key",
                folder / "id.pub",
                seconds=SECONDS,
            )
            assert answer.code == 0, answer.stderr
    return target


@dataclass(frozen=True)
class Running:
    """A PC with the appliance: its SSH port, and what it showed."""

    port: int
    console: Console

    def shown(self, pattern: str) -> str:
        """What the console shows after these words, once it does."""

        def look() -> str:
            found = re.search(pattern, self.console.tail(100))
            return found[1] if found else ""

        return poll(look, Deadline.after(SECONDS), f"the console to show {pattern!r}", 0.5)


@contextlib.contextmanager
def pc(disk: Path, form: str, log: Path, *, adapter: str, keep: bool = False) -> Iterator[Running]:
    """A PC as QEMU makes it, with this disk; what is written to it is kept or not."""
    port, qemu = free_port(), shutil.which("qemu-system-x86_64")
    assert qemu
    argv = [
        qemu,
        "-nodefaults",
        "-display",
        "none",
        "-vga",
        "std",
        "-machine",
        "pc",
        "-accel",
        "tcg",
        "-m",
        "512M",
    ]
    argv += ["-drive", f"file={disk},format={form},if=ide,snapshot={'off' if keep else 'on'}"]
    argv += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"]
    argv += ["-device", f"{adapter},netdev=net,romfile=", "-serial", f"file:{log}", "-no-reboot"]
    with process.running(argv, executable=Path(qemu)):
        yield Running(port, Console(log))


def disk_of(ova: Path, target: Path) -> Path:
    """The disk of an OVA, its archive's order and hashes checked on the way."""
    with tarfile.open(ova, "r:") as archive:
        assert [Path(name).suffix for name in archive.getnames()] == [".ovf", ".mf", ".vmdk"]
        archive.extractall(target, filter="data")
    (manifest,) = target.glob("*.mf")
    lines = re.findall(r"^SHA256\((.+)\)= ([0-9a-f]{64})$", manifest.read_text(), re.MULTILINE)
    assert {name: sha256_file(target / name) for name, _ in lines} == dict(lines)
    assert len(lines) == 2
    return next(target.glob("*.vmdk"))


@pytest.fixture
def home() -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        yield home


def test_an_ova_boots_and_is_a_machine_for_the_ssh_driver(home: Home, folder: Path, tmp_path: Path) -> None:
    disk, kind = disk_of(exported(folder, "ova"), tmp_path), Kind("ssh", "amd64", via="guest")
    with pc(disk, "vmdk", tmp_path / "console", adapter="e1000") as machine:
        key = machine.shown(r"host key: (ssh-ed25519 \S+)")
        assert machine.shown(r"fingerprint: (SHA256:\S+)")
        assert machine.shown(r"reach it by: ssh root@(\S+)") == "10.0.2.15"
        keys = {
            "address": f"127.0.0.1:{machine.port}",
            "user": "root",
            "key": str(folder / "id"),
            "host_key": key,
        }
        order = order_for(kind, home, keys={**keys, "disposable": True})
        with on_bench(kind, order) as bench:
            assert bench.shell("uname -n").stdout == "bench\n"
            assert bench.shell("id -u").stdout == "60600\n"
            assert bench.live.facts.machine == "x86_64"
            assert bench.live.handle.site.users["root"] == 0
            loaded = {
                line.split()[0] for line in bench.command("cat", "/proc/modules").stdout.decode().splitlines()
            }
            assert loaded >= {*ADAPTERS, *DISKS}


@pytest.mark.rotated
def test_its_host_key_stays_the_same(folder: Path, tmp_path: Path) -> None:
    """And a network adapter of VMware's, a disk that grows."""
    disk = shutil.copy(exported(folder, "qcow2"), tmp_path / "disk.qcow2")
    seen = []
    for boot in ("first", "second"):
        with pc(Path(disk), "qcow2", tmp_path / boot, adapter="vmxnet3", keep=True) as machine:
            seen.append(machine.shown(r"host key: (ssh-ed25519 \S+)"))
            assert ("at its first boot" in machine.console.tail(200)) == (boot == "first")
            assert machine.shown(r"reach it by: ssh root@(\S+)")
    assert seen[0] == seen[1]


@pytest.mark.rotated
def test_two_that_were_exported_together_have_two_host_keys(folder: Path, tmp_path: Path) -> None:
    """Nothing secret is in the file."""
    keys = set()
    for number in (1, 2):
        with pc(exported(folder, "vmdk"), "vmdk", tmp_path / f"c{number}", adapter="e1000e") as machine:
            keys.add(machine.shown(r"host key: (ssh-ed25519 \S+)"))
    assert len(keys) == 2


@pytest.mark.rotated
@pytest.mark.parametrize("form", ["vmdk", "vdi", "qcow2", "raw"])
def test_every_form_holds_the_same_disk(folder: Path, form: str) -> None:
    raw = exported(folder, "raw")
    done = process.run(
        ["qemu-img", "compare", "-f", form, "-F", "raw", exported(folder, form), raw],
        deadline=Deadline.after(120),
    )
    assert b"identical" in done.stdout


def test_another_architecture_is_refused(home: Home, folder: Path) -> None:
    words = ("--arch", "arm64", "--out", folder / "no.ova", "--authorized-key", folder / "id.pub")
    answer = isolab(home, "images", "export", "micro", *words, seconds=SECONDS)
    assert answer.code == 3
    assert "run only amd64 and i386" in answer.stderr
    assert not (folder / "no.ova").exists()
