"""The micro image: kernel, busybox, dropbear, our init and runner, for one architecture.

The recipe determines its content; everything is assembled as data on the controller.
"""

from __future__ import annotations

import lzma
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.compile import toolchain as compiler
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives, members
from orchestrator.errors import ImageError
from orchestrator.images.tree import Tree
from orchestrator.labfile.image_recipe import MicroRecipe
from orchestrator.paths import GUEST_SOURCES

VERSION = 6
"""Incremented when the same inputs build a different image."""

RUNNER = "usr/lib/isolab/run"
RUNNER_SOURCES = (
    "run.c", "order.c", "program.c", "surroundings.c", "sandbox.c", "watch.c", "processes.c", "usage.c",
    "tree.c", "report.c", "stand_by.c", "facts.c", "digest.c",
)  # fmt: skip
RUNNER_FILES = (*RUNNER_SOURCES, "run.h")
"""What determines the runner."""
INIT_SOURCES = (
    "init.c", "console.c", "port.c", "network.c", "identity.c", "home.c", "keys.c", "server.c",
    "translations.c",
)  # fmt: skip
PREACCEPT, PREACCEPT_SOURCE = "usr/lib/isolab/preaccept.so", "preaccept.c"
HOME_INITRD = "initrd.home"
"""What machines with a home disk have besides: an archive that the kernel unpacks after ``initrd``."""
STUDENT, OTHER = 1000, 1001
"""User ids inside every machine that has its own root file system."""
NOBODY = 65534
"""The kernel's overflow user id, user_namespaces(7), and Debian's ``nobody``."""

_PROFILE = """\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
PS1='\\u@\\h:\\w\\$ '
# The SSH server is exempt from the out-of-memory killer; what people start is not.
{ echo 0 > /proc/self/oom_score_adj; } 2> /dev/null
"""
"""What a login shell reads."""

_MODULES = (
    "drivers/virtio/virtio*", "drivers/net/virtio*", "drivers/net/net_failover", "net/core/failover",
    "drivers/char/virtio*", "drivers/char/hw_random/virtio*", "drivers/char/hw_random/rng-core",
    "drivers/block/virtio_blk", "fs/ext4/ext4", "fs/jbd2/jbd2", "fs/mbcache", "lib/crc16",
    "crypto/crc32c_generic",
)  # fmt: skip
"""Modules that a guest may need: of their kinds of devices, and of a home disk's file system."""
_MERGED = re.compile(r"^(bin|sbin|lib|lib64|libx32|lib32)/")


def inputs(recipe: MicroRecipe, arch: Arch) -> list[object]:
    """What determines the image: its recipe, the suite's names, our own guest sources."""
    about = (VERSION, arch.suite, arch.kernel_package, arch.toolchain, compiler.STANDARD_FLAGS)
    sources = [path.read_bytes() for path in sorted(GUEST_SOURCES.glob("*.[ch]"))]
    return [recipe.model_dump_json(), about, *sources]


def build(
    recipe: MicroRecipe, arch: Arch, archives: Archives, folder: Path, deadline: Deadline
) -> dict[str, Any]:
    """Fill ``folder`` with ``kernel``, ``initrd``, ``initrd.home``, ``rootfs.tar`` and ``run``; returns the
    facts.

    Raises ImageError, BuildError, TimedOut, Interrupted.
    """
    archive = archives.suite(arch.suite)
    toolchain = compiler.prepare(arch, archive, deadline)
    kernel_name = f"{arch.kernel_package}->"
    packages = archive.resolve(arch.name, [*recipe.packages, *recipe.home_packages, kernel_name])
    paths = archive.fetch(list(packages.values()))
    tree = _skeleton(recipe.applets)
    _add_packages(tree, recipe.packages, paths)
    kernel = packages[kernel_name]
    modules, config = _take_kernel(paths[kernel.name], folder / "kernel")
    for name, data in config.items():
        tree.file(f"boot/{name}", data)
    _compile(arch, toolchain, folder, deadline)
    tree.file(RUNNER, (folder / "run").read_bytes(), 0o755)
    tree.write_tar(folder / "rootfs.tar")
    ordered = load_order(recipe.modules, modules)
    _add_modules(tree, "", ordered)
    tree.file(PREACCEPT, (folder / "preaccept.so").read_bytes(), 0o755)
    tree.file("init", (folder / "init").read_bytes(), 0o755)
    tree.write_cpio(folder / "initrd")
    known = {name for name, _ in ordered}
    home = Tree()
    _add_packages(home, recipe.home_packages, paths)
    _add_modules(home, "home/", [m for m in load_order(recipe.home_modules, modules) if m[0] not in known])
    home.write_cpio(folder / HOME_INITRD)
    names = ("kernel", "initrd", HOME_INITRD, "rootfs.tar")
    return {
        "image": recipe.image,
        "arch": arch.name,
        "suite": archive.suite,
        "outdated": arch.name in archive.outdated,
        "kernel": kernel.name.removeprefix("linux-image-"),
        "packages": {p.name: p.version for p in packages.values()},
        "bytes": {name: (folder / name).stat().st_size for name in names},
    }


def _add_packages(tree: Tree, wanted: Mapping[str, Sequence[str]], paths: Mapping[str, Path]) -> None:
    """Add the files wanted from packages, which are at ``paths``."""
    for name, patterns in wanted.items():
        for member in members(paths[name], patterns):
            where = _MERGED.sub(r"usr/\1/", member.path)
            if member.target:
                tree.link(where, member.target)
            else:
                tree.file(where, member.data, stat.S_IMODE(member.mode))


def _add_modules(tree: Tree, folder: str, ordered: Sequence[tuple[str, bytes]]) -> None:
    """Add modules and the list by which init loads them, in a folder of ``/lib/modules``."""
    for name, data in ordered:
        tree.file(f"usr/lib/modules/{folder}{name}.ko", data)
    lines = "".join(f"/lib/modules/{folder}{name}.ko\n" for name, _ in ordered)
    tree.file(f"usr/lib/modules/{folder}load", lines)


def _compile(arch: Arch, toolchain: Path, folder: Path, deadline: Deadline) -> None:
    """Compile ``run``, ``init`` and ``preaccept.so``. Raises BuildError, TimedOut, Interrupted."""
    for name, sources in (("run", RUNNER_SOURCES), ("init", INIT_SOURCES)):
        files = [GUEST_SOURCES / source for source in sources]
        compiler.compile_program(arch, toolchain, files, (), folder / name, deadline)
    library = folder / "preaccept.so"
    compiler.compile_library(arch, toolchain, GUEST_SOURCES / PREACCEPT_SOURCE, library, deadline)


def expected_seconds(_arch: Arch) -> float:
    """How long building takes: mostly downloads."""
    return 12.0


def load_order(wanted: list[str], modules: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Modules in loading order: dependencies first.

    A wanted module that is not among ``modules`` is built into this kernel (modinfo(8) reads
    the same ``depends=`` field).
    """
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order or name not in modules:
            return
        for dependency in depends(modules[name]):
            add(dependency)
        order[name] = modules[name]

    for name in wanted:
        add(name)
    return list(order.items())


def depends(module: bytes) -> list[str]:
    """The names of the modules that a module depends on."""
    match = re.search(rb"(?:^|\0)depends=([^\0]*)\0", module)
    return [name.replace("-", "_") for name in (match[1].decode() if match else "").split(",") if name]


def _take_kernel(deb: Path, target: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Write the kernel to ``target``; returns the modules of the kinds a guest needs, and the kernel's
    configuration (``config-VERSION``), by name."""
    modules: dict[str, bytes] = {}
    config: dict[str, bytes] = {}
    optional = ["boot/config-*", *(f"*lib/modules/*/kernel/{name}.ko*" for name in _MODULES)]
    for member in members(deb, ["boot/vmlinu*"], optional):
        if member.path.startswith("boot/config-"):
            config[Path(member.path).name] = member.data
        elif member.path.startswith("boot/"):
            target.write_bytes(member.data)
        else:
            data = lzma.decompress(member.data) if member.path.endswith(".xz") else member.data
            modules[Path(member.path).name.split(".")[0].replace("-", "_")] = data
    if not target.exists():
        raise ImageError(f"package {deb} contains no kernel")
    return modules, config


def _skeleton(applets: Sequence[str]) -> Tree:
    """Folders, links, users and the few device nodes the kernel needs before /dev is mounted."""
    tree = Tree()
    tree.folder(".")
    for path in ("proc", "sys", "dev", "run", "etc/dropbear", "usr/bin", "usr/sbin", "usr/lib", "var/log"):
        tree.folder(path)
    for path in ("bin", "sbin", "lib"):
        tree.link(path, f"usr/{path}")
    tree.link("lib64", "usr/lib64")
    tree.folder("tmp", 0o1777)
    tree.folder("var/tmp", 0o1777)
    tree.folder("work", 0o711)
    tree.folder("root", 0o700)
    tree.folder("home/student", 0o700, STUDENT)
    tree.folder("home/other", 0o700, OTHER)
    people = (("root", 0, "/root"), ("student", STUDENT, "/home/student"), ("other", OTHER, "/home/other"))
    users = "".join(f"{n}:x:{i}:{i}:{n}:{home}:/bin/sh\n" for n, i, home in people)
    groups = "".join(f"{n}:x:{i}:\n" for n, i, _ in people)
    tree.file("etc/passwd", f"{users}nobody:x:{NOBODY}:{NOBODY}:nobody:/nonexistent:/bin/false\n")
    tree.file("etc/group", f"{groups}tty:x:5:\nnogroup:x:{NOBODY}:\n")
    tree.file("etc/shells", "/bin/sh\n")
    tree.file("etc/hosts", "127.0.0.1 localhost\n")
    tree.file("etc/profile", _PROFILE)
    tree.file("etc/os-release", 'NAME="isolab micro"\nID=isolab\n')
    for applet in applets:
        tree.link(f"usr/bin/{applet}", "busybox")
    tree.device("dev/console", 5, 1, 0o600)
    tree.device("dev/null", 1, 3, 0o666)
    return tree
