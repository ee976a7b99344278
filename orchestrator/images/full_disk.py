"""Build the disk of a full image: a file system of unpacked packages, which are then configured.

Only the packages' own programs can configure them. For the host's architecture, and as root, they
run here, isolated from the host's files and processes; otherwise they run in a guest of their
architecture, whose console reports each step and, at the end, success. Sources:
mke2fs(8), mke2fs.conf(5), unshare(1), qemu(1).
"""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.arch import Arch, host_arch, kernel_cmdline
from orchestrator.deadline import Deadline
from orchestrator.errors import ImageError
from orchestrator.host import process
from orchestrator.host.console_log import Console

MEMORY = "1024M"
MADE = "isolab: made"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
BOUND = ("setpriv", "--pdeathsig", "KILL")
"""If we are killed, so is the program we started: nobody else knows about it."""

_MKE2FS_CONF = """\
[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384
	reserved_ratio = 0
[fs_types]
	ext4 = {
		features = extent,huge_file,flex_bg,64bit,dir_nlink,extra_isize
	}
"""
"""Our own, so that every host's mke2fs makes the same file system; without a journal, since no disk
is reused after its machine was switched off."""

_HERE = """\
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$1" /bin/sh /usr/lib/isolab/configure
"""


@dataclass(frozen=True)
class Making:
    """One disk of ``size`` bytes to build in ``folder``, which has the kernel and the initial RAM disk;
    ``work`` has ``unpacked.tar``."""

    arch: Arch
    folder: Path
    work: Path
    size: int

    @property
    def raw(self) -> Path:
        return self.work / "disk.raw"

    @property
    def native(self) -> bool:
        return self.arch == host_arch()


def make(order: Making, deadline: Deadline) -> str:
    """Build ``disk.qcow2``, and for the host's architecture ``rootfs.tar``; returns how.

    Raises ImageError with the last output of what failed, Unavailable, TimedOut, Interrupted.
    """
    root = order.work / "root"
    root.mkdir()
    root.chmod(0o755)  # the image's own /, whatever our umask
    as_root = ["--same-owner"] if os.getuid() == 0 else ["--no-same-owner"]
    process.run(
        ["tar", "-x", "-p", "--numeric-owner", *as_root, "-f", order.work / "unpacked.tar", "-C", root],
        deadline=deadline,
    )
    (order.work / "unpacked.tar").unlink()
    here = order.native and _may_unshare(deadline)
    if here:
        _configure_here(root, deadline)
        _pack(root, order.folder / "rootfs.tar", deadline)
    _write_file_system(root, order, deadline)
    if not here:
        _configure_in_guest(order, deadline)
    convert = ["qemu-img", "convert", "-q", "-O", "qcow2", "-c", "-o", "compression_type=zstd", "-W"]
    process.run([*convert, order.raw, order.folder / "disk.qcow2"], deadline=deadline)
    return "natively" if here else "in a guest"


def _may_unshare(deadline: Deadline) -> bool:
    """Whether we may create namespaces; in many containers root may not."""
    if os.getuid() != 0:
        return False
    return process.run(["unshare", "--mount", "--pid", "true"], deadline=deadline, check=False).code == 0


def _configure_here(root: Path, deadline: Deadline) -> None:
    apart = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--net", "--fork", "--kill-child"]
    done = process.run(
        [*BOUND, *apart, "sh", "-ec", _HERE, "sh", root], deadline=deadline, env={"PATH": PATH}, check=False
    )
    if done.code != 0:
        words = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        raise ImageError("configuring the packages failed:\n" + "\n".join(words[-15:]))


def _pack(root: Path, target: Path, deadline: Deadline) -> None:
    process.run(["tar", "-c", "--numeric-owner", "-f", target, "-C", root, "."], deadline=deadline)


def _write_file_system(root: Path, order: Making, deadline: Deadline) -> None:
    config = order.work / "mke2fs.conf"
    config.write_text(_MKE2FS_CONF)
    # Unpacked files belong to root in the image, though maybe to us here: user_namespaces(7).
    mapped: list[str | Path] = [] if os.getuid() == 0 else ["unshare", "--map-root-user"]
    command = [*mapped, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "isolab", "-d", root, order.raw]
    env = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{PATH}", "MKE2FS_CONFIG": str(config)}
    process.run([*command, f"{order.size // 1024}k"], deadline=deadline, env=env)


def render_guest(order: Making) -> list[str]:
    """The command line of the guest that configures the packages on its disk. Pure."""
    arch, work = order.arch, order.work
    argv = [arch.qemu, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
    argv += ["-machine", arch.machine, "-accel", "tcg,tb-size=256"]
    argv += [*(["-cpu", arch.cpu] if arch.cpu else []), "-m", MEMORY]
    argv += ["-kernel", str(order.folder / "kernel"), "-initrd", str(order.folder / "initrd")]
    words = f"{kernel_cmdline(arch, 'tcg')} isolab.make"
    argv += ["-append", words + (" isolab.tar" if order.native else "")]
    argv += ["-serial", f"file:{work / 'console'}"]
    for name in ("disk.raw", *(["rootfs.tar"] if order.native else [])):
        drive = f"file={work / name},if=none,id={name[:4]},format=raw,cache=unsafe,discard=unmap"
        argv += ["-drive", drive, "-device", f"virtio-blk-{arch.bus},drive={name[:4]}"]
    return [*argv, "-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"]


def _configure_in_guest(order: Making, deadline: Deadline) -> None:
    packed = order.work / "rootfs.tar"
    if order.native:
        packed.touch()
        os.truncate(packed, order.size)
    done = process.run([*BOUND, *render_guest(order)], deadline=deadline, check=False)
    console = Console(order.work / "console").tail(25)
    if MADE not in console:
        raise ImageError(
            f"the {order.arch.name} guest configuring the packages stopped early "
            f"({order.arch.qemu}: {done.tail(3) or 'no message'}); the end of its console:\n{console}"
        )
    if order.native:
        _cut(packed)
        packed.rename(order.folder / "rootfs.tar")


def _cut(archive: Path) -> None:
    """Truncate an archive that was written to a disk to its actual length."""
    with tarfile.open(archive) as opened:
        last = opened.getmembers()[-1]
        length = last.offset_data + -(-(last.size if last.isreg() else 0) // 512) * 512
    os.truncate(archive, length + 1024)
