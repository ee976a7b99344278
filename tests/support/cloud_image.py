"""A cloud image as a distribution publishes it: boot loader, kernel, cloud-init. Built once, cached."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.debian.mirror import KEYRING, mirror
from orchestrator.host import cache, process
from orchestrator.host.packages import Need
from orchestrator.machines.host_packages import MMDEBSTRAP, QEMU_IMG, ensure
from orchestrator.progress import Silent

SUITE = "bookworm"
PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "openssh-server", "linux-image-cloud-amd64", "cloud-init"),
    *("iproute2", "netbase", "procps"),
)
MIB = 2**20
BOOT_MIB, ROOT_MIB = 128, 1280
SECTOR, FIRST = 512, 2048
LOADER = Path("/usr/lib/syslinux/mbr/mbr.bin")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LOADER = """\
DEFAULT linux
LABEL linux
  KERNEL vmlinuz
  INITRD initrd.img
  APPEND root=LABEL=cloudroot rw console=ttyS0 net.ifnames=0
"""
_VERSION = 1


def cloud_image() -> Path:
    """The image file (qcow2)."""
    needs = [MMDEBSTRAP, QEMU_IMG]
    for program, package in (("syslinux", "syslinux"), ("mcopy", "mtools"), ("mkfs.vfat", "dosfstools")):
        present = functools.partial(_present, program)
        needs.append(Need(program, present, (package,)))
    needs.append(Need("syslinux's boot record", LOADER.exists, ("syslinux-common",)))
    ensure(needs, Silent(), Deadline.after(900))
    key = f"cloud-{cache.digest(_VERSION, SUITE, PACKAGES, _LOADER)}"
    return cache.make("bench", key, _build, Deadline.after(3600)) / "cloud.qcow2"


def _present(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ['PATH']}:{PATH}") is not None


def _run(*words: str | Path) -> None:
    env = {**os.environ, "PATH": f"{os.environ['PATH']}:{PATH}", "MTOOLS_SKIP_CHECK": "1"}
    process.run(words, deadline=Deadline.after(1800), env=env)


def _build(folder: Path) -> dict[str, Any]:
    root, boot, disk = folder / "root", folder / "boot.img", folder / "disk.img"
    _run(
        *("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", f"--keyring={KEYRING}"),
        *('--aptopt=Acquire::Check-Valid-Until "false"', SUITE, root, mirror()),
    )
    _run("chroot", root, "systemctl", "enable", "systemd-networkd")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    _run("mkfs.vfat", "-C", "-F", "16", "-h", str(FIRST), boot, str(BOOT_MIB * 1024))
    (folder / "syslinux.cfg").write_text(_LOADER)
    _run("mcopy", "-i", boot, folder / "syslinux.cfg", "::syslinux.cfg")
    for name in ("vmlinuz", "initrd.img"):
        _run("mcopy", "-i", boot, sorted((root / "boot").glob(f"{name}-*"))[-1], f"::{name}")
    _run("syslinux", "--install", boot)
    _run("mke2fs", "-q", "-t", "ext4", "-L", "cloudroot", "-d", root, folder / "root.img", f"{ROOT_MIB}M")
    _assemble(disk, boot, folder / "root.img")
    _run("qemu-img", "convert", "-c", "-O", "qcow2", disk, folder / "cloud.qcow2")
    _run("rm", "-rf", root, boot, disk, folder / "root.img")
    return {"suite": SUITE, "packages": PACKAGES}


def _assemble(disk: Path, boot: Path, root: Path) -> None:
    """A disk with two partitions: master boot record, FAT for the boot loader, ext4."""
    second = FIRST + BOOT_MIB * MIB // SECTOR
    table = _partition(0x80, 0x0E, FIRST, BOOT_MIB) + _partition(0, 0x83, second, ROOT_MIB) + bytes(32)
    disk.touch()
    os.truncate(disk, FIRST * SECTOR + (BOOT_MIB + ROOT_MIB + 1) * MIB)
    with disk.open("r+b") as file:
        loader = LOADER.read_bytes()[:440]
        file.write(loader.ljust(446, b"\0") + table + b"\x55\xaa")
        for start, part in ((FIRST, boot), (second, root)):
            file.seek(start * SECTOR)
            with part.open("rb") as source:
                shutil.copyfileobj(source, file, 4 * MIB)


def _partition(active: int, kind: int, start: int, mib: int) -> bytes:
    """An entry of the partition table: by sector numbers, the older cylinders out of range."""
    beyond = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", active, beyond, kind, beyond, start, mib * MIB // SECTOR)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder by HTTP on loopback; gives the base URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""
