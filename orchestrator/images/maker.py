"""The guest that makes a disk: QEMU with an empty disk, the packages as a second one, one task.

Its console says which step it is at, and at the end that it is done; a disk without that word is
thrown away. Source: qemu(1).
"""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator import proc
from orchestrator.arch import Arch
from orchestrator.console import Console
from orchestrator.deadline import Deadline
from orchestrator.emulator import kernel_cmdline
from orchestrator.errors import ImageError

MEMORY = "1024M"
MADE = "isolab: made"


@dataclass(frozen=True)
class Making:
    """One disk to be made, of ``size`` bytes; ``work`` has ``initrd`` and ``unpacked.tar``.
    ``tar`` asks for the result as an archive, too."""

    arch: Arch
    kernel: Path
    work: Path
    size: int
    tar: bool = False


def render(order: Making) -> list[str]:
    """The command line of the guest. Pure."""
    arch, work = order.arch, order.work
    argv = [arch.qemu, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
    argv += ["-machine", arch.machine, "-accel", "tcg,thread=multi,tb-size=256"]
    argv += [*(["-cpu", arch.cpu] if arch.cpu else []), "-m", MEMORY]
    argv += ["-kernel", str(order.kernel), "-initrd", str(work / "initrd")]
    words = kernel_cmdline(arch, "tcg") + (" isolab.tar" if order.tar else "")
    argv += ["-append", words, "-serial", f"file:{work / 'console'}"]
    for name, file in (("root", "disk.raw"), ("packages", "unpacked.tar")):
        drive = f"file={work / file},if=none,id={name},format=raw,cache=unsafe,discard=unmap"
        argv += ["-drive", drive, "-device", f"virtio-blk-{arch.bus},drive={name}"]
    return [*argv, "-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"]


def make(order: Making, folder: Path, deadline: Deadline) -> None:
    """Make ``disk.qcow2``, and ``rootfs.tar`` when asked for, in ``folder``.

    Raises ImageError with the guest's last words, Unavailable, TimedOut, Interrupted.
    """
    raw, packed = order.work / "disk.raw", order.work / "unpacked.tar"
    raw.touch()
    os.truncate(raw, order.size)
    os.truncate(packed, order.size)
    done = proc.run(render(order), deadline=deadline, check=False)
    console = Console(order.work / "console").tail(25)
    if MADE not in console:
        raise ImageError(
            f"the {order.arch.name} guest that installs the packages ended early "
            f"({order.arch.qemu}: {done.tail(3) or 'no words'}); its console said last:\n{console}"
        )
    convert = ["qemu-img", "convert", "-q", "-O", "qcow2", "-c", "-o", "compression_type=zstd", "-W"]
    proc.run([*convert, raw, folder / "disk.qcow2"], deadline=deadline)
    if order.tar:
        _cut(packed)
        packed.rename(folder / "rootfs.tar")


def _cut(archive: Path) -> None:
    """Take away what lies behind the end of an archive that was written to a disk."""
    with tarfile.open(archive) as opened:
        end = opened.getmembers()[-1]
        length = end.offset_data + -(-(end.size if end.isreg() else 0) // 512) * 512
    os.truncate(archive, length + 1024)
