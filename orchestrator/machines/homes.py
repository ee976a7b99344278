"""Home disks of machines: made once, kept while machines come and go; and the keys that open them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import HomeDisk, Order
from orchestrator.errors import SpecError, TransportError, Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.images import home as home_image
from orchestrator.paths import make_folder
from orchestrator.transport.base import Site, Transport

BLOCK = 4096
DRIVER = "qemu"
"""The driver whose machines can have a home disk."""
_KEYS = "if [ -x /init ]; then exec /init --keys; else exec /usr/lib/isolab/identity --keys; fi"


def ensure_home(file: Path, size: int, content: Path | None, deadline: Deadline) -> HomeDisk:
    """Return the home disk in ``file``, made if it does not exist: ``size`` bytes of sparse ext4 that belong
    to student, with the files in the folder ``content``.

    One that exists keeps what is in it. It is made larger if ``size`` is (the next machine that uses it
    takes the new room), unless a machine uses it now; never smaller. Whoever is killed meanwhile leaves
    nothing that counts as a home. Raises SpecError, Unavailable, ProcessFailed, TimedOut, Interrupted.
    """
    wanted = max(size, home_image.LEAST_BYTES) // BLOCK * BLOCK
    if not file.exists():
        _make(file, wanted, content, deadline)
    return HomeDisk(file, _grown(file, wanted))


def _make(file: Path, size: int, content: Path | None, deadline: Deadline) -> None:
    """Make the file under another name, and give it its own when it is complete and on the disk."""
    make_folder(file.parent, 0o700, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    while not file.exists():
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "rb+") as held:
            poll(lambda: _locked(held.fileno()), deadline, f"waiting for another isolab to make {file}")
            if file.exists() or not _is(new, held.fileno()):
                continue  # it was made, or its maker's name is another file's now
            home_image.make(new, size, content, deadline)
            os.fsync(held.fileno())
            new.rename(file)
            _sync_folder(file.parent)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(path: Path, descriptor: int) -> bool:
    """Whether a path is that of an open file."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _grown(file: Path, size: int) -> int:
    """Make a home disk as large as this if nobody uses it; returns the size it has, in bytes."""
    there = file.stat().st_size
    if there >= size:
        return there
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if home_image.lock(descriptor):
            os.ftruncate(descriptor, size)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def fitted(order: Order, home: HomeDisk, keys: Sequence[str]) -> Order:
    """Return the order with a home disk, and with keys (lines of authorized_keys) that may log in as student.

    Raises SpecError for a machine that can have no home disk.
    """
    if order.machine.driver != DRIVER or order.image.by_cloud_init:
        what = f"driver {order.machine.driver}, image {order.image.name}"
        raise SpecError(
            f"{order.name}: a machine of this kind ({what}) has no home disk",
            hint=f"use `driver: {DRIVER}` with the image micro or debian, or one like them",
        )
    return replace(order, home=home, student_keys=tuple(keys))


def set_student_keys(transport: Transport, site: Site, keys: Sequence[str], deadline: Deadline) -> None:
    """Replace the keys (lines of authorized_keys) that may log in as student on a running machine, besides
    its own and those the student added herself. ``transport`` is root's.

    Raises Unavailable if the machine cannot store them, TransportError, TimedOut, Interrupted.
    """
    if not site.switch:
        raise Unavailable("only a machine where we are root takes keys for student")
    text = "".join(f"{key.strip()}\n" for key in keys)
    done = transport.run(["/bin/sh", "-c", _KEYS], deadline=deadline, stdin=text.encode())
    if done.code != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()[-300:]
        raise TransportError(
            f"the machine did not take the keys: {said or f'status {done.code}'}",
            hint="if the student's home is full, she has to delete something first",
        )


def sync_home(transport: Transport, deadline: Deadline) -> None:
    """Have a machine write to its home disk what it has yet to write: by itself it does so within a second.

    For who takes a machine down on purpose. Raises TransportError, TimedOut, Interrupted.
    """
    done = transport.run(["sync"], deadline=deadline)
    if done.code != 0:
        words = bounded(printable(done.stderr.decode(errors="replace").strip()), 200)
        raise TransportError(f"`sync` failed there: {words or f'status {done.code}'}")
