"""Baselines measured in the same run: a stock distribution, and OpenSSH's client."""

from __future__ import annotations

import base64
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from orchestrator.arch import host_arch
from orchestrator.bench.measure import Bench
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.debian.mirror import KEYRING, mirror
from orchestrator.drivers.guest.identity import make_keys
from orchestrator.drivers.guest.layout import forwarded_port
from orchestrator.drivers.model import Handle
from orchestrator.drivers.qemu.qmp import human_command
from orchestrator.errors import LabError, Unavailable
from orchestrator.host import cache, process
from orchestrator.machines.host_packages import MMDEBSTRAP, ensure
from orchestrator.transport.ssh import Address, connected

SUITE = "trixie"
PACKAGES = "systemd-sysv,openssh-server,linux-image-cloud-amd64,dbus"
BUILD_SECONDS = 900.0
BOOT_SECONDS = 300.0
SSH_COMMANDS = 20
_NETWORK = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"


def ssh_seconds(handle: Handle) -> float:
    """Measure the median seconds of one command through an OpenSSH ControlMaster to a running machine."""
    folder = Path(handle.scratch)
    deadline = Deadline.after(120)
    port = forwarded_port(human_command(folder / "qmp.sock", "info usernet", deadline))
    with tempfile.TemporaryDirectory(prefix="ilssh") as temporary:
        base = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
        base += [
            "-o",
            f"UserKnownHostsFile={temporary}/known",
            "-o",
            "LogLevel=ERROR",
            "-i",
            str(folder / "client_key"),
        ]
        base += ["-o", f"ControlPath={temporary}/master", "-p", str(port), "root@127.0.0.1"]
        process.run(
            [*base[:1], "-o", "ControlMaster=yes", "-o", "ControlPersist=60", *base[1:], "true"],
            deadline=deadline,
        )
        spent = []
        for _ in range(SSH_COMMANDS):
            begun = time.monotonic()
            process.run([*base, "true"], deadline=deadline)
            spent.append(time.monotonic() - begun)
        process.run([*base[:1], "-O", "exit", *base[1:]], deadline=deadline, check=False)
    return statistics.median(spent)


def stock_seconds(lab: Bench) -> float:
    """Measure the median seconds from starting QEMU on a stock Debian to the first command over SSH.

    Raises Unavailable where it cannot be built (it needs root), LabError when it fails.
    """
    if host_arch().name != "amd64":
        raise Unavailable("the stock image can only be built on amd64")
    if os.getuid() != 0:
        raise Unavailable("building a stock distribution needs root")
    ensure([MMDEBSTRAP], lab.progress, lab.machines.cancellation.deadline())
    lab.progress.doing("bench", "building a stock Debian", 120)
    folder = cache.make(
        "bench", f"stock-{cache.digest(SUITE, PACKAGES, _NETWORK)}", _build, Deadline.after(BUILD_SECONDS)
    )
    lab.progress.doing("bench", "booting a stock Debian", 30 * lab.rounds)
    return statistics.median(_boot(folder, lab.machines.cancellation) for _ in range(lab.rounds))


def _build(folder: Path) -> dict[str, Any]:
    deadline, keys = Deadline.after(BUILD_SECONDS), make_keys()
    root = folder / "root"
    (folder / "client_key").write_bytes(keys.client_private)
    (folder / "client_key").chmod(0o600)
    argv = ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", f"--keyring={KEYRING}"]
    process.run(
        [*argv, '--aptopt=Acquire::Check-Valid-Until "false"', SUITE, root, mirror()], deadline=deadline
    )
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_bytes(keys.client_public)
    (root / "etc/systemd/network/20-wired.network").write_text(_NETWORK)
    process.run(["chroot", root, "systemctl", "enable", "systemd-networkd"], deadline=deadline)
    process.run(["mke2fs", "-q", "-t", "ext4", "-d", root, folder / "disk", "2G"], deadline=deadline)
    for name in ("vmlinuz", "initrd.img"):
        found = sorted((root / "boot").glob(f"{name}-*"))[-1]
        (folder / name).write_bytes(found.read_bytes())
    host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[1]
    process.run(["rm", "-rf", root], deadline=deadline)
    return {"suite": SUITE, "packages": PACKAGES, "host_key": host_key}


def _boot(folder: Path, cancellation: Cancellation) -> float:
    """Time one cold boot, started as a user would, until the first command returns."""
    deadline, arch = cancellation.deadline(BOOT_SECONDS), host_arch()
    qemu = shutil.which(arch.qemu)
    if qemu is None:
        raise Unavailable(f"{arch.qemu} is not installed")
    with tempfile.TemporaryDirectory(prefix="ilstock") as temporary:
        socket = Path(temporary) / "qmp.sock"
        argv = [qemu, "-machine", "q35", "-accel", "tcg", "-smp", "1", "-m", "1024M", "-display", "none"]
        argv += ["-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.img")]
        argv += ["-append", "root=/dev/vda rw console=ttyS0", "-serial", "null"]
        argv += ["-drive", f"file={folder / 'disk'},if=virtio,format=raw,snapshot=on"]
        argv += ["-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"]
        argv += ["-device", "virtio-net-pci,netdev=net,romfile=", "-qmp", f"unix:{socket},server=on,wait=off"]
        begun = time.monotonic()
        with process.running(argv, executable=Path(qemu)):
            while not socket.exists():
                deadline.check("waiting for QEMU to start")
                time.sleep(0.01)
            port = forwarded_port(human_command(socket, "info usernet", deadline))
            host_key = base64.b64decode(cache.meta(folder)["host_key"])
            _first_command(Address("127.0.0.1", port, "root", folder / "client_key", host_key), deadline)
            return time.monotonic() - begun


def _first_command(address: Address, deadline: Deadline) -> None:
    while True:
        try:
            with connected(address, "stock", deadline.within(60)) as transport:
                transport.run(["true"], deadline=deadline)
                return
        except LabError:
            deadline.check("waiting for SSH on the stock distribution")
            time.sleep(0.1)
