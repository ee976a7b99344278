"""The outer guest: an emulated machine whose processor has virtualization extensions, in which
this checkout runs and finds a KVM that works.

It is a machine like any other, the micro image on the qemu driver, with more in its initial RAM
disk: QEMU's TCG emulates AMD's SVM, and the kernel of the image has ``kvm_amd``.

Its processor is a plain one, without what TCG can emulate besides (``-cpu max``): with page tables of
four levels instead of five, and no more state to save than must be, guests in it start a tenth sooner.

For KVM its clock counts instructions (``-icount``, which takes a single processor). By the host's
clock, on a busy host, the timer of a guest in the guest fires again before its last interrupt is over,
and nothing else ever runs; and a test that is patient enough when the host is idle is not when it
is busy. By its own clock the outer guest is as fast on every host.

VirtualBox holds its guests' timers back by itself until they got on, so it can do with the host's
clock, and must: what keeps a counting QEMU from delivering interrupts twice (single_interrupts.py)
hangs on tracepoints of KVM's. It has two processors then: on one, its guests never catch up.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import Bench, Kind, image_of, on_bench, order_for
from habitat import Home
from system import MODULES, PLACE, System, archive_of

from orchestrator import images
from orchestrator.arch import ARCHITECTURES, Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives, members
from orchestrator.errors import LabError
from orchestrator.host import cache
from orchestrator.images.micro import load_order
from orchestrator.images.tree import Tree
from orchestrator.labfile.models import Machine
from orchestrator.paths import ROOT
from orchestrator.transport.base import Result

CLOCK_SHIFT = 1
"""By the guest's clock an instruction takes 2 ** CLOCK_SHIFT nanoseconds."""
BY_THE_HOST = replace(ARCHITECTURES["amd64"], cpu="qemu64,svm=on,npt=on")
ARCH = replace(BY_THE_HOST, qemu_options=("-icount", f"shift={CLOCK_SHIFT}"))
_MODULE_FILES = ("*/kernel/arch/x86/kvm/*.ko", "*/kernel/virt/lib/*.ko", "*/kernel/drivers/net/tun.ko")
CHECKOUT = ("orchestrator", "tests", "images", "labs", "tasks.py", "pyproject.toml")
_HERE, _CACHE = "isolab", "var/cache/isolab"


@dataclass(frozen=True)
class Outer:
    """The outer guest, up, with the checkout in it."""

    bench: Bench

    def run(self, *argv: str, seconds: float = 120.0) -> Result:
        """A command in the Debian system of the guest, as root, standing in the checkout."""
        env = [f"PYTHONPATH=/{_HERE}", f"ISOLAB_CACHE=/{_CACHE}", "HOME=/root", "LC_ALL=C.UTF-8"]
        env += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        inside = ["chroot", f"/{PLACE}", "env", "-i", *env, "sh", "-c", f'cd /{_HERE} && exec "$@"', "sh"]
        return self.bench.live.transport.run([*inside, *argv], deadline=Deadline.after(seconds))

    def path(self, inside: str) -> str:
        """What a path of the Debian system is called outside it, in the micro image."""
        return f"/{PLACE}{inside}"

    def say(self, *argv: str, seconds: float = 120.0) -> str:
        """The output of a command that must succeed."""
        done = self.run(*argv, seconds=seconds)
        if done.code != 0:
            raise AssertionError(f"`{' '.join(argv)}`: status {done.code}\n{done.stderr.decode()}")
        return done.stdout.decode()


@contextlib.contextmanager
def outer_guest(
    system: System,
    home: Home,
    *,
    memory: int = 3 * 2**30,
    arch: Arch = ARCH,
    cpus: int = 1,
    made: Sequence[Path] = (),
) -> Iterator[Outer]:
    """The outer guest for the length of a ``with`` block, the system's modules loaded; ``memory``
    in bytes, ``arch`` says by which clock. ``made`` are files of the user's cache that it has in its
    own."""
    kind = Kind("qemu", ARCH.name)
    micro = image_of(ARCH.name)
    folder = home.root / "image"
    folder.mkdir()
    (folder / "kernel").symlink_to(micro.kernel)
    parts = (micro.initrd, archive_of(system), _session(system, micro, made, home.root / "session"))
    with (folder / "initrd").open("wb") as file:  # the kernel unpacks one archive after the other
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, file)
    image = images.Image("outer", ARCH.name, f"outer-{micro.key}", folder)
    order = order_for(kind, home, name="outer", image=image)
    wanted = Machine(driver="qemu", arch=arch.name, memory=memory, cpus=cpus, boot_timeout=900.0)
    with on_bench(kind, replace(order, machine=wanted, arch=arch)) as bench:
        outer = Outer(bench)
        _furnish(outer)
        if "kvm_amd" in system.modules:
            outer.say("python3", "tests/support/single_interrupts.py")
        yield outer


def _session(system: System, micro: images.Image, made: Sequence[Path], target: Path) -> Path:
    """What changes from one time to the next: this checkout, images, kernel modules."""
    tree = Tree()
    for path in (f for name in CHECKOUT for f in _files(ROOT / name)):
        mode = 0o755 if os.access(path, os.X_OK) else 0o644
        tree.file(f"{PLACE}/{_HERE}/{path.relative_to(ROOT)}", path.read_bytes(), mode)
    for path in (*(micro.folder / name for name in ("kernel", "initrd", "run", cache.META)), *made):
        where = f"{PLACE}/{_CACHE}/{path.parent.parent.name}/{path.parent.name}/{path.name}"
        tree.file(where, path.read_bytes(), 0o755 if path.name == "run" else 0o644)
    for number, (name, data) in enumerate(load_order(list(system.modules), _modules())):
        tree.file(f"{PLACE}/{MODULES}/{number:02}-{name}.ko", data)
    tree.write_cpio(target)
    return target


def _files(path: Path) -> list[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [f for f in found if f.is_file() and "__pycache__" not in f.parts]


def _modules() -> dict[str, bytes]:
    """Those of the kernel that the micro image has."""
    archive = Archives(Deadline.after(600)).suite(ARCH.suite)
    (package,) = archive.resolve(ARCH.name, [f"{ARCH.kernel_package}->"]).values()
    found = members(archive.fetch([package])[package.name], _MODULE_FILES)
    return {Path(m.path).stem.replace("-", "_"): m.data for m in found}


def _furnish(outer: Outer) -> None:
    """Make the Debian system complete: kernel file systems, modules, a network of its own."""
    inside = f"""set -e
        mount -o bind /{PLACE} /{PLACE}  # a mount point, as libvirt expects of what it calls "/"
        mount -t tracefs tracefs /sys/kernel/tracing
        for place in proc sys dev; do mount -o rbind /$place /{PLACE}/$place; done
        mount -t tmpfs tmpfs /{PLACE}/run; mount -t tmpfs tmpfs /{PLACE}/tmp
        mkdir -m 1777 /{PLACE}/run/lock; chmod 1777 /{PLACE}/tmp
        # In a chroot, the /dev that libvirt makes for each guest has neither kvm nor ptmx.
        [ ! -d /{PLACE}/etc/libvirt ] || echo 'namespaces = []' >/{PLACE}/etc/libvirt/qemu.conf
        # A guest's memory in large pages: each one saves hundreds of faults, an exit each.
        echo always >/sys/kernel/mm/transparent_hugepage/enabled
        for module in /{PLACE}/{MODULES}/*; do
            chroot /{PLACE} insmod ${{module#/{PLACE}}}
        done"""
    done = outer.bench.command("sh", "-c", inside)
    if done.code != 0:
        raise LabError(f"the outer guest cannot be furnished:\n{done.stderr.decode()}")
