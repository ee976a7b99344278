"""A full image: a whole Debian on a disk, for any architecture.

Packages are resolved, verified and unpacked on the controller; what only their own programs can
do is done in a guest of their architecture, started just for that. No foreign code runs on the
host, no privilege is needed, and an emulated processor only does what cannot be avoided.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch, host_arch
from orchestrator.compile import toolchain as compiler
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archive, Archives, members
from orchestrator.debian.dependencies import Package
from orchestrator.debian.kernel import Kernel, take
from orchestrator.debian.unpack import add_file, unpack
from orchestrator.host.tempdirs import working_folder
from orchestrator.images import full_disk
from orchestrator.images.micro import INIT_SOURCES, RUNNER, RUNNER_SOURCES, load_order
from orchestrator.images.tree import Tree
from orchestrator.labfile.image_recipe import FullRecipe
from orchestrator.paths import GUEST_SOURCES

VERSION = 2
"""Incremented when the same inputs build a different image."""

SOURCES = GUEST_SOURCES / "full"
IDENTITY = "usr/lib/isolab/identity"
_APPLETS = (
    *("sh", "mount", "umount", "insmod", "sleep", "usleep", "grep", "poweroff", "reboot", "switch_root"),
    *("tar", "sync", "chroot"),
)
_UNITS = {
    "isolab-identity.service": "etc/systemd/system/isolab-identity.service",
    "ssh.conf": "etc/systemd/system/ssh.service.d/isolab.conf",
    "sshd.conf": "etc/ssh/sshd_config.d/isolab.conf",
    "configure.sh": "usr/lib/isolab/configure",
}


def inputs(recipe: FullRecipe, arch: Arch) -> list[object]:
    """What determines the image: its recipe, the suite's names, our own guest sources."""
    about = (VERSION, arch.suite, arch.kernel_package, arch.toolchain, compiler.STANDARD_FLAGS)
    ours = [GUEST_SOURCES / name for name in (*INIT_SOURCES, *RUNNER_SOURCES)]
    ours += [*sorted(GUEST_SOURCES.glob("*.h")), *sorted(SOURCES.iterdir())]
    return [recipe.model_dump_json(), about, *(path.read_bytes() for path in ours)]


def build(
    recipe: FullRecipe, arch: Arch, archives: Archives, folder: Path, deadline: Deadline
) -> dict[str, Any]:
    """Fill ``folder`` with ``kernel``, ``initrd``, ``disk.qcow2``, ``run``, and for the host's own
    architecture ``rootfs.tar``; returns the facts.

    Raises ImageError, BuildError, TimedOut, Interrupted, Unavailable.
    """
    archive = archives.suite(arch.suite)
    index = archive.index(arch.name)
    packages = index.closure([*recipe.packages, *filter(index.package, recipe.where_available)])
    extra, kernel_package = _extra(archive, arch)
    paths = archive.fetch([*packages, *extra, kernel_package])
    kernel = take(paths[kernel_package.name], folder / "kernel", recipe.module_folders)
    _compile(arch, archive, folder, deadline)
    _initrd(kernel, recipe, paths).write_cpio(folder / "initrd")
    with working_folder("image") as work:
        with tarfile.open(work / "unpacked.tar", "w", format=tarfile.GNU_FORMAT) as target:
            unpack([paths[package.name] for package in packages], target)
            _add_ours(target, kernel, recipe, folder)
        (folder / "identity").unlink()
        how = full_disk.make(full_disk.Making(arch, folder, work, recipe.disk), deadline)
    names = ("kernel", "initrd", "disk.qcow2", "rootfs.tar")
    return {
        "image": recipe.image,
        "arch": arch.name,
        "suite": archive.suite,
        "outdated": arch.name in archive.outdated,
        "kernel": kernel.version,
        "configured": how,
        "packages": {p.name: p.version for p in packages},
        "bytes": {name: (folder / name).stat().st_size for name in names if (folder / name).exists()},
    }


def _extra(archive: Archive, arch: Arch) -> tuple[list[Package], Package]:
    """Packages that only supply files and are not installed; and the kernel."""
    name = f"{arch.kernel_package}->"
    found = archive.resolve(arch.name, ["busybox-static", name])
    return [found["busybox-static"]], found[name]


def _compile(arch: Arch, archive: Archive, folder: Path, deadline: Deadline) -> None:
    toolchain = compiler.prepare(arch, archive, deadline)
    for name, sources in (("run", RUNNER_SOURCES), ("identity", INIT_SOURCES)):
        files = [GUEST_SOURCES / source for source in sources]
        compiler.compile_program(arch, toolchain, files, (), folder / name, deadline)


def _initrd(kernel: Kernel, recipe: FullRecipe, paths: dict[str, Path]) -> Tree:
    """The initial RAM disk, which finds the disk and starts the system on it."""
    tree = Tree()
    for path in ("proc", "sys", "dev", "root", "tmp", "etc"):
        tree.folder(path)
    for path in ("lib", "lib64"):
        tree.link(path, f"usr/{path}")
    for member in members(paths["busybox-static"], ["*bin/busybox"]):
        tree.file("bin/busybox", member.data, 0o755)
    for applet in _APPLETS:
        tree.link(f"bin/{applet}", "busybox")
    ordered = load_order(recipe.modules, kernel.by_name())
    for name, data in ordered:
        tree.file(f"usr/lib/modules/{name}.ko", data)
    tree.file("usr/lib/modules/load", "".join(f"/lib/modules/{name}.ko\n" for name, _ in ordered))
    tree.file("init", (SOURCES / "init.sh").read_bytes(), 0o755)
    tree.file("make", (SOURCES / "make.sh").read_bytes(), 0o755)
    tree.device("dev/console", 5, 1, 0o600)
    tree.device("dev/null", 1, 3, 0o666)
    return tree


def _add_ours(target: tarfile.TarFile, kernel: Kernel, recipe: FullRecipe, folder: Path) -> None:
    for path, data in kernel.modules.items():
        add_file(target, f"usr/lib/modules/{kernel.version}/{path}", data)
    add_file(target, f"boot/config-{kernel.version}", kernel.config)
    for source, path in _UNITS.items():
        add_file(target, path, (SOURCES / source).read_bytes())
    add_file(target, RUNNER, (folder / "run").read_bytes(), 0o755)
    add_file(target, IDENTITY, (folder / "identity").read_bytes(), 0o755)
    add_file(
        target, "usr/lib/isolab/settings", f"STUDENT_MAY_SUDO={'yes' if recipe.sudo else 'no'}\n".encode()
    )


def expected_seconds(arch: Arch) -> float:
    """How long building takes: little more than a minute where packages can be configured natively."""
    return 80.0 if arch == host_arch() else 360.0
