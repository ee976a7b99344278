"""Export an image as a standalone machine: a disk that boots in VMware, VirtualBox, any PC.

A guest gets its name, keys and address from the controller when it boots; an exported one has no
controller. So its RAM disk also contains its name, the public keys that may log in, and a script
that creates a host key and requests an address by DHCP (images/guest/appliance.sh); its kernel is
the distribution's generic one, with drivers for the adapters that hypervisors emulate.
"""

from __future__ import annotations

import fnmatch
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.arch import PC_ARCHITECTURES, Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives, members
from orchestrator.errors import ImageError, Unavailable
from orchestrator.host.tempdirs import working_folder
from orchestrator.images import Image
from orchestrator.images.export.bootdisk import DiskContents, bootable
from orchestrator.images.micro import OTHER, STUDENT, depends, load_order
from orchestrator.images.tree import Tree
from orchestrator.paths import GUEST_SOURCES

KERNELS = {"amd64": "linux-image-amd64->", "i386": "linux-image-686-pae->"}
CMDLINE = "console=ttyS0 console=tty0 quiet loglevel=1 panic=10 net.ifnames=0 isolab.appliance"
"""Both consoles, the screen last: init writes to the last one (kernel-parameters, console=)."""

STORE_MAGIC = b"isolab-keys 1\n"
STORE_BYTES = 2**20
"""Size of the partition that stores the host key; its layout is in images/guest/appliance.sh."""

ADAPTERS = ("e1000", "e1000e", "vmxnet3", "pcnet32", "virtio_pci", "virtio_net")
"""Network adapters of VMware (E1000, E1000e, VMXNET3, Lance), VirtualBox and QEMU."""

DISKS = ("ata_piix", "ahci", "mptspi", "mptsas", "vmw_pvscsi", "virtio_blk", "nvme", "sd_mod")
"""Their disk controllers: booting needs only the firmware, but storing the host key needs these."""

_FOLDERS = (
    "drivers/net/ethernet/intel/e1000/",
    "drivers/net/ethernet/intel/e1000e/",
    "drivers/net/ethernet/amd/pcnet32",
    "drivers/net/vmxnet3/",
    "drivers/net/virtio_net",
    "drivers/net/net_failover",
    "drivers/net/mii",
    "net/core/failover",
    "drivers/ptp/ptp.",
    "drivers/pps/pps_core",
    "drivers/ata/",
    "drivers/scsi/",
    "drivers/message/fusion/",
    "drivers/block/virtio_blk",
    "drivers/nvme/",
    "drivers/virtio/",
    "block/t10-pi",
    "crypto/",
    "arch/x86/crypto/",
    "lib/crc",
)
"""Where a kernel package has these modules and their dependencies."""


@dataclass(frozen=True)
class Owner:
    """The exported machine's host name, and the lines of its authorized_keys."""

    name: str
    authorised: bytes


def disk(image: Image, arch: Arch, owner: Owner, archives: Archives, deadline: Deadline) -> Path:
    """The raw disk, in the cache; built on first use.

    Raises Unavailable (an architecture without PC firmware), ImageError, TimedOut, Interrupted.
    """
    if not arch.pc_firmware:
        raise Unavailable(
            f"{image.name}/{arch.name} cannot be exported: VMware and VirtualBox run only "
            f"{' and '.join(PC_ARCHITECTURES)}",
            hint=f"run {arch.name} guests with `driver: qemu`",
        )
    archive = archives.suite(arch.suite)
    packages = archive.resolve(arch.name, [KERNELS[arch.name], "dropbear-bin"])
    paths = archive.fetch(list(packages.values()))
    kernel_deb = paths[packages[KERNELS[arch.name]].name]
    with working_folder("export") as folder:
        modules = _take_kernel(kernel_deb, folder / "kernel")
        (keymaker,) = members(paths["dropbear-bin"], ["usr/bin/dropbearkey"])
        overlay(owner, modules, keymaker.data).write_cpio(folder / "overlay")
        # The kernel unpacks one archive after the other; a later file replaces an earlier one.
        (folder / "initrd").write_bytes(image.initrd.read_bytes() + (folder / "overlay").read_bytes())
        (folder / "store").write_bytes(STORE_MAGIC.ljust(STORE_BYTES, b"\0"))
        contents = DiskContents(folder / "kernel", folder / "initrd", CMDLINE, folder / "store")
        return bootable(contents, arch, archives, deadline)


def overlay(owner: Owner, modules: Sequence[tuple[str, bytes]], keymaker: bytes) -> Tree:
    """What an appliance adds to the image: modules in loading order, name, keys, scripts. Pure except for
    reading the scripts."""
    tree = Tree()
    for name, data in modules:
        tree.file(f"usr/lib/modules/{name}.ko", data)
    tree.file("usr/lib/modules/load", "".join(f"/lib/modules/{name}.ko\n" for name, _ in modules))
    tree.file("usr/bin/dropbearkey", keymaker, 0o755)
    tree.file("etc/hostname", f"{owner.name}\n")
    tree.file("etc/hosts", f"127.0.0.1 localhost {owner.name}\n")
    tree.file("etc/isolab/appliance", (GUEST_SOURCES / "appliance.sh").read_bytes(), 0o755)
    tree.file("etc/isolab/dhcp", (GUEST_SOURCES / "dhcp.sh").read_bytes(), 0o755)
    for home, uid in (("root", 0), ("home/student", STUDENT), ("home/other", OTHER)):
        tree.folder(home, 0o700, uid)
        tree.folder(f"{home}/.ssh", 0o700, uid)
        tree.file(f"{home}/.ssh/authorized_keys", owner.authorised, 0o600, uid)
    for applet in ("udhcpc", "poweroff", "reboot"):
        tree.link(f"usr/bin/{applet}", "busybox")
    return tree


def _take_kernel(deb: Path, target: Path) -> list[tuple[str, bytes]]:
    """Write the kernel to ``target``; returns the modules an appliance loads, in order."""
    modules: dict[str, bytes] = {}
    built_in: set[str] = set()
    patterns = [f"*lib/modules/*/kernel/{folder}*.ko*" for folder in _FOLDERS]
    for member in members(deb, ["boot/vmlinu*", "*lib/modules/*/modules.builtin"], optional=patterns):
        if fnmatch.fnmatchcase(member.path, "boot/vmlinu*"):
            target.write_bytes(member.data)
        elif member.path.endswith("modules.builtin"):
            built_in = {_module_name(line) for line in member.data.decode().splitlines()}
        else:
            data = lzma.decompress(member.data) if member.path.endswith(".xz") else member.data
            modules[_module_name(member.path)] = data
    return complete(load_order([*ADAPTERS, *DISKS], modules), modules, built_in)


def complete(
    ordered: list[tuple[str, bytes]], modules: Mapping[str, bytes], built_in: set[str]
) -> list[tuple[str, bytes]]:
    """Check that the modules' dependencies are complete, and return them. Raises ImageError."""
    needed = {name for _, data in ordered for name in depends(data)} | {*ADAPTERS, *DISKS}
    absent = sorted(needed - modules.keys() - built_in)
    if absent:
        raise ImageError(
            f"kernel modules not found in the package: {', '.join(absent)}",
            hint="the kernel is too new for this version of isolab; please report it",
        )
    return ordered


def _module_name(path: str) -> str:
    return Path(path).name.split(".")[0].replace("-", "_")
