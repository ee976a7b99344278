"""Snapshots of a QEMU machine: build a template (its memory and its devices' state), and start clones
from it.

Technique: QEMU's docs/system/vm-templating.rst (capability ``x-ignore-shared``).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.guest.identity import Port
from orchestrator.drivers.guest.layout import SITE
from orchestrator.drivers.model import Handle, Order, Template
from orchestrator.drivers.qemu import emulator
from orchestrator.drivers.qemu.emulator import Memory
from orchestrator.drivers.qemu.qmp import Monitor, monitor
from orchestrator.errors import BootError
from orchestrator.progress import Progress

STAND_IN_BYTES = 256 * 1024
FILES_BY_NAME = (8, 2)
"""The first QEMU with migration to and from ``file:``. Until 10 it also takes a plain file by ``fd:``; 11
refuses that (QEMU's docs/about/deprecated.rst)."""
_CAPABILITY = {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}


def identity(order: Order) -> tuple[object, ...]:
    """Return what a template depends on besides the image: QEMU, and the command line without what
    differs between machines, and between the caches of hosts."""
    image = replace(order.image, folder=Path("/i"))
    fixed = replace(order, run="0-0-0", name="template", scratch=Path("/s"), logs=Path("/l"), image=image)
    fixed = replace(fixed, template=None)
    handle = Handle("qemu", fixed.run, fixed.name, "", "", "", str(fixed.scratch), SITE)
    argv = emulator.render_argv(fixed.unplugged(), handle, True, Memory(Path("/m"), building=True))
    return emulator.program_identity(order.arch.qemu), argv


def build_template(
    order: Order, handle: Handle, template: Template, deadline: Deadline, progress: Progress
) -> float:
    """Boot a machine, freeze it before its SSH server starts, and save it into the template's folder;
    returns the seconds the boot took. Raises BootError, TimedOut, Interrupted."""
    begun = time.monotonic()
    emulator.make_disk(order, handle, deadline)
    emulator.start(order, handle, deadline, Memory(template.memory, building=True))
    with emulator.explained(order, handle), Port(Path(handle.scratch) / "port.sock", deadline) as port:
        expected = order.arch.boot_seconds * order.image.effort
        look = emulator.watcher(order, handle, progress, order.name, "booting a template", expected)
        port.expect("ready", deadline, look)
        seconds = time.monotonic() - begun
        with monitor(Path(handle.scratch) / "qmp.sock", deadline) as qmp:
            save(qmp, template.state, deadline)
    if order.image.disk is not None:
        # Complete: QEMU lets go of its disks when its state is saved.
        shutil.move(Path(handle.scratch) / emulator.DISK, template.disk)
    _write_stand_ins(order, template)
    return seconds


def restore(
    template: Template, order: Order, handle: Handle, deadline: Deadline, mark: Callable[[str], None]
) -> None:
    """Start a clone: the template's command line with a private mapping, then its state.
    ``mark`` is called when a phase ends. Raises BootError."""
    emulator.start(order, handle, deadline, clone_memory(template))
    mark("spawn")
    load(template, handle, deadline)
    mark("load")


def clone_memory(template: Template) -> Memory:
    """Return the backing of a clone's memory."""
    return Memory(template.memory, kernel=template.kernel, initrd=template.initrd)


def load(template: Template, handle: Handle, deadline: Deadline) -> None:
    """Load a template's state into a clone that waits for it. Raises BootError."""
    with monitor(Path(handle.scratch) / "qmp.sock", deadline) as qmp:
        qmp.execute("migrate-set-capabilities", _CAPABILITY)
        # Nothing needs to learn a clone's address: without this its kernel would send ARP and
        # router solicitations first of all.
        qmp.execute("migrate-set-parameters", {"announce-rounds": 0})
        qmp.execute("migrate-incoming", {"uri": _passed(qmp, template.state, os.O_RDONLY)})


def _passed(qmp: Monitor, path: Path, flags: int) -> str:
    """Open a file and pass it to QEMU, who may not open it itself; returns the URI to migrate to or from
    it. Raises BootError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        if qmp.version >= FILES_BY_NAME:
            return f"file:/dev/fdset/{qmp.pass_file('add-fd', {}, descriptor)['fdset-id']}"
        qmp.pass_file("getfd", {"fdname": "state"}, descriptor)
        return "fd:state"
    finally:
        os.close(descriptor)


def save(qmp: Monitor, state: Path, deadline: Deadline) -> None:
    """Stop the machine and save its devices' state. Raises BootError, TimedOut."""
    qmp.execute("stop")
    qmp.execute("migrate-set-capabilities", _CAPABILITY)
    uri = _passed(qmp, state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    qmp.execute("migrate", {"uri": uri})

    def saved() -> bool:
        about = qmp.execute("query-migrate")
        status = about.get("status")
        if status in ("failed", "cancelled"):
            raise BootError(f"QEMU cannot save the machine's state: {about.get('error-desc', status)}")
        return bool(status == "completed")

    poll(saved, deadline, "saving the machine's state")


def _write_stand_ins(order: Order, template: Template) -> None:
    """Return the kernel and initial RAM disk of a clone. QEMU must be able to open them, but does not
    load them into memory that comes from a template. A kernel that is an ELF file must be complete."""
    with order.image.kernel.open("rb") as file:
        head = file.read(STAND_IN_BYTES)
    if head.startswith(b"\x7fELF"):
        template.kernel.symlink_to(order.image.kernel)
    else:
        template.kernel.write_bytes(head)
    template.initrd.write_bytes(bytes(4096))
