"""A bootable disk: a kernel, its RAM disk and command line for any PC's firmware.

For hypervisors that boot disks instead of kernels. The disk is raw, with the boot loader ISOLINUX
in its "isohybrid" form: a boot sector loads it, it reads kernel and RAM disk from an ISO 9660 file
system, which is the first partition; a root file system can be the second. Neither root nor a mount
is needed to make it. Sources: xorrisofs(1), the Syslinux project's pages on isohybrid and its
configuration file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.arch import PC_ARCHITECTURES, Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives, members
from orchestrator.errors import ImageError, Unavailable
from orchestrator.host import cache
from orchestrator.host.tempdirs import working_folder
from orchestrator.images import iso

VERSION = 1
"""Incremented when the same inputs build a different disk."""

LONGEST_CMDLINE = 2047
"""Longest command line of a PC's kernel: COMMAND_LINE_SIZE less the terminating NUL."""

_LOADER = "usr/lib/ISOLINUX/isolinux.bin"
_SECTOR = "usr/lib/ISOLINUX/isohdpfx.bin"
_CORE = "usr/lib/syslinux/modules/bios/ldlinux.c32"
_FILES = {"isolinux": [_LOADER, _SECTOR], "syslinux-common": [_CORE]}
_DATE = "1980010100000000"
"""The date of everything on the disk, so that the same files make a byte-identical disk."""


@dataclass(frozen=True)
class DiskContents:
    """What to boot. ``root``, an image of a root file system, becomes the second partition:
    ``/dev/sda2`` or ``/dev/vda2``, or found by its label."""

    kernel: Path
    initrd: Path
    cmdline: str
    root: Path | None = None


def bootable(contents: DiskContents, arch: Arch, archives: Archives, deadline: Deadline) -> Path:
    """The raw disk, in the cache; built on first use.

    Raises Unavailable (an architecture without PC firmware, no xorriso), ImageError, TimedOut,
    Interrupted.
    """
    if not arch.pc_firmware:
        known = " and ".join(PC_ARCHITECTURES)
        raise Unavailable(
            f"bootable disks can be made for {known}, not {arch.name}",
            hint=f"use `driver: qemu` for {arch.name} guests: it boots kernels directly",
        )
    configuration = render_configuration(contents.cmdline)
    inputs = [contents.kernel, contents.initrd, *([contents.root] if contents.root else [])]
    key = cache.digest(VERSION, arch.suite, configuration, *(cache.sha256_file(path) for path in inputs))

    def fill(folder: Path) -> dict[str, object]:
        versions = _make(contents, configuration, folder / "disk.raw", arch, archives, deadline)
        return {"arch": arch.name, "cmdline": contents.cmdline, "packages": versions}

    return cache.make("disks", f"{arch.name}-{key}", fill, deadline) / "disk.raw"


def render_configuration(cmdline: str) -> str:
    """ISOLINUX's configuration file. Pure. Raises ImageError for an invalid command line."""
    if not cmdline.isprintable() or len(cmdline) > LONGEST_CMDLINE:
        raise ImageError(
            f"invalid kernel command line: {cmdline[:80]!r}",
            hint=f"use one line of at most {LONGEST_CMDLINE} printable characters",
        )
    # SERIAL must come first: from there on the boot loader writes to the console that is logged.
    lines = ["SERIAL 0 115200", "PROMPT 0", "DEFAULT linux", "LABEL linux", "  LINUX /kernel"]
    return "\n".join([*lines, "  INITRD /initrd", f"  APPEND {cmdline}", ""])


def render_options(sector: Path, root: Path | None) -> list[str]:
    """xorrisofs options besides the files. Pure."""
    options = ["-eltorito-boot", "isolinux/isolinux.bin", "-eltorito-catalog", "isolinux/boot.cat"]
    options += [f"--modification-date={_DATE}", "--set_all_file_dates", _DATE]
    options += ["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "-isohybrid-mbr", str(sector)]
    if root is not None:
        options += ["-append_partition", "2", "0x83", str(root)]
    return options


def _make(
    contents: DiskContents, configuration: str, disk: Path, arch: Arch, archives: Archives, deadline: Deadline
) -> Mapping[str, str]:
    """Write the disk; returns the versions of the boot loader's packages."""
    archive = archives.suite(arch.suite)
    packages = archive.resolve(arch.name, list(_FILES))
    paths = archive.fetch(list(packages.values()))
    files = {m.path: m.data for name, wanted in _FILES.items() for m in members(paths[name], wanted)}
    with working_folder("disk") as folder:
        sector, tree = folder / "sector", folder / "tree"
        sector.write_bytes(files[_SECTOR])
        (tree / "isolinux").mkdir(parents=True)
        for path in (_LOADER, _CORE):
            (tree / "isolinux" / Path(path).name).write_bytes(files[path])
        (tree / "isolinux/isolinux.cfg").write_text(configuration)
        (tree / "kernel").symlink_to(contents.kernel.resolve())
        (tree / "initrd").symlink_to(contents.initrd.resolve())
        iso.make("ISOLAB", tree, disk, deadline, render_options(sector, contents.root))
    return {package.name: package.version for package in packages.values()}
