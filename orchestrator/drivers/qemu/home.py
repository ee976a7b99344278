"""A machine's home disk as QEMU gets it: an open file, locked for as long as anybody has it.

QEMU runs as a user who may not open the file, so it inherits a descriptor (-add-fd, qemu(1)), and with it
the lock. Its own locks are on other bytes of the file, and stay on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import TimedOut, Unavailable
from orchestrator.images import home as home_image

SERIAL = "isolab-home"
"""By which the guest finds it (``images/guest/home.c``)."""
BLANK = "home.img"
"""File in a machine's folder, of a home that is lost with it."""
RELEASED_SECONDS = 2.0
"""How long the file of a machine that was just killed may still be in use."""


class InUse(Unavailable):
    """Another machine has this home disk."""


def words(order: Order, building: bool, descriptor: int) -> list[str]:
    """Return QEMU's options for the order's home disk. Pure."""
    if order.home is None:
        return []
    if building:
        # As large as a clone's: the kernel asks a disk of another size again, which takes time.
        backend = ["-blockdev", f"driver=null-co,node-name=home,size={order.home.size},read-zeroes=on"]
    else:
        about = "driver=file,node-name=home,filename=/dev/fdset/1,locking=on,discard=unmap"
        backend = ["-add-fd", f"fd={descriptor},set=1,opaque=home", "-blockdev", about]
    return [*backend, "-device", f"virtio-blk-{order.arch.bus},drive=home,serial={SERIAL}"]


def size(order: Order) -> int:
    """Return how large the order's home disk is now, in bytes; 0 without one. Raises Unavailable."""
    if order.home is None or order.home.file is None:
        return order.home.size if order.home else 0
    try:
        return order.home.file.stat().st_size
    except OSError as problem:
        raise _missing(order, order.home.file, problem) from None


def initrd(order: Order, handle: Handle) -> Path:
    """Return where the initial RAM disk of a machine is that boots with its home disk."""
    if order.home is None or order.image.home_initrd is None:
        return order.image.initrd
    return Path(handle.scratch) / "initrd"


def write_initrd(order: Order, handle: Handle) -> None:
    """Put together the initial RAM disk of a machine that boots, if it has one of its own."""
    target, more = initrd(order, handle), order.image.home_initrd
    if target == order.image.initrd or more is None:
        return
    whole = order.image.initrd.read_bytes()
    target.write_bytes(whole + bytes(-len(whole) % 512) + more.read_bytes())


@contextlib.contextmanager
def opened(order: Order, handle: Handle, deadline: Deadline) -> Iterator[int]:
    """Open and lock the order's home disk for a ``with`` block, in which QEMU inherits it; yields the
    descriptor, -1 without a home. Raises InUse, Unavailable, TimedOut, Interrupted."""
    if order.home is None:
        yield -1
        return
    file = order.home.file
    if file is None:
        file = Path(handle.scratch) / BLANK
        home_image.make(file, order.home.size, None, deadline)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as problem:
        raise _missing(order, file, problem) from None
    try:
        _await_lock(order.name, file, descriptor, deadline)
        yield descriptor
    finally:
        os.close(descriptor)


def _missing(order: Order, file: Path, problem: OSError) -> Unavailable:
    return Unavailable(
        f"{order.name}: cannot open its home disk {file}: {problem.strerror}",
        hint="the file is made when the class comes up; if it was moved, move it back",
    )


def _await_lock(name: str, file: Path, descriptor: int, deadline: Deadline) -> None:
    try:
        poll(
            lambda: home_image.lock(descriptor),
            deadline.within(RELEASED_SECONDS),
            "the home disk",
            interval=0.02,
        )
    except TimedOut:
        raise InUse(
            f"{name}: its home disk is in use by another machine: {file}",
            hint="take that machine down first: `isolab status` shows those that are up",
        ) from None
