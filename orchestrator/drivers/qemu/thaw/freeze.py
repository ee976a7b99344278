"""Freeze an emulator: clone a template with a library that can stop it, rehearse what every machine will
do, stop it, and write it to a file."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.guest.identity import Keys, Port, folder_with_keys, give
from orchestrator.drivers.guest.layout import SITE, loopback_address
from orchestrator.drivers.model import FrozenImage, Handle, Order, Template
from orchestrator.drivers.qemu import emulator, snapshot
from orchestrator.drivers.qemu.qmp import monitor
from orchestrator.drivers.qemu.thaw import (
    descriptors,
    identity,
    image_file,
    memory_map,
    parts,
    standstill,
)
from orchestrator.drivers.qemu.thaw.parts import GuestParts, HostParts
from orchestrator.errors import BootError, TimedOut
from orchestrator.host import cache
from orchestrator.host.unix_socket import connect
from orchestrator.labfile.models import User
from orchestrator.progress import Progress
from orchestrator.transport.base import Item, put
from orchestrator.transport.runner import run_program
from orchestrator.transport.runner_server import runner_server
from orchestrator.transport.ssh import SshTransport, connected

SOCKETS = ("port.sock", emulator.LINE, "qmp.sock")
SETTLE_SECONDS = 10.0
_OURS = 1
"""Descriptors that are the library's own until it has told us: the pipe."""
NAME = "rehearsal"
"""Of the machine in its rehearsals."""
_PLACE = "usr/lib/isolab"


def freeze(
    order: Order, handle: Handle, frozen: FrozenImage, deadline: Deadline, progress: Progress
) -> dict[str, Any]:
    """Make a frozen emulator of the order's template in the image's folder; returns facts about it. Raises
    BootError, Unavailable, BuildError, TransportError, TimedOut, Interrupted, OSError."""
    template = order.template
    if template is None:
        raise BootError("there is no template to freeze an emulator of")
    progress.doing(order.name, "freezing an emulator: compiling")
    ours, theirs = parts.for_host(deadline), parts.for_guest(order.arch, deadline)
    with emulator.explained(order, handle), _told() as (reading, writing):
        keys = _start(order, handle, template, ours, writing.fileno(), deadline)
        writing.close()
        progress.doing(order.name, "freezing an emulator: rehearsing")
        _rehearse(handle, keys, theirs, deadline)
        progress.doing(order.name, "freezing an emulator: writing it down")
        pid = emulator.process_of(handle)
        _quiet(handle, deadline)
        _await_quiet(pid, template, deadline)
        still = standstill.stop(pid, reading.fileno(), deadline)
        if not still.filters:
            raise BootError("QEMU cannot be frozen: it does not filter its system calls")
        facts = _write(pid, still.context, descriptors.read(pid, SOCKETS, template.memory), frozen)
        os.kill(pid, signal.SIGKILL)  # a SIGTERM would wait until it goes on
        return facts


@contextlib.contextmanager
def _told() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Yield the ends of a pipe, of which the block closes the second."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as ours, os.fdopen(writing, "wb", 0) as theirs:
        yield ours, theirs


def _start(
    order: Order, handle: Handle, template: Template, ours: HostParts, writing: int, deadline: Deadline
) -> Keys:
    """Bring up a clone, with the library that stops it. Returns its keys."""
    folder = Path(handle.scratch)
    keys = folder_with_keys(folder)
    memory = emulator.Memory(template.memory, kernel=template.kernel, initrd=template.initrd, frozen=True)
    prefix = ["env", f"LD_PRELOAD={ours.library}", f"{standstill.CONTROL}={writing}"]
    emulator.start(order, handle, deadline, memory, prefix=prefix, inherit=[writing])
    snapshot.load(template, handle, deadline)
    with Port(folder / "port.sock", deadline) as port:
        give(port, NAME, keys)
        port.expect("sshd", deadline, lambda: None)
    return keys


def _rehearse(handle: Handle, keys: Keys, theirs: GuestParts, deadline: Deadline) -> None:
    """Do with the machine what is done with each, often enough, until it waits for its identity again.

    All of it goes over the line of its first connection: a TCP connection stays open in QEMU's user network
    for as long as its TIME_WAIT lasts, and the guest will not see the end of that.
    """
    folder = Path(handle.scratch)
    with _line(folder, deadline) as transport:
        # The library is replaced, not overwritten: somebody may have it mapped.
        files = [
            Item(f"{_PLACE}/rehearse", theirs.rehearse.read_bytes(), 0o700),
            Item(f"{_PLACE}/forking.so", theirs.server.read_bytes(), 0o755),
        ]
        put(transport, "/", files, deadline)
        begin = (
            f"cd /{_PLACE} && mv forking.so preaccept.so && ./rehearse {identity.REHEARSALS} && rm rehearse"
        )
        done = transport.run(["sh", "-c", begin], deadline=deadline)
        if done.code != 0:
            raise BootError(
                f"the guest cannot rehearse: {done.stderr.decode(errors='replace').strip()[:200]}"
            )
    for _ in range(identity.REHEARSALS):
        _expect_ready(folder, deadline)
        with Port(folder / "port.sock", deadline) as port:
            give(port, f"{NAME}-{secrets.token_hex(2)}", keys)
            port.expect("sshd", deadline, lambda: None)
        _session(folder, deadline)
    _expect_ready(folder, deadline)


def _expect_ready(folder: Path, deadline: Deadline) -> None:
    """Wait until the guest waits for an identity, and leave it alone again."""
    with Port(folder / "port.sock", deadline) as port:
        port.expect("ready", deadline, lambda: None)


@contextlib.contextmanager
def _line(folder: Path, deadline: Deadline) -> Iterator[SshTransport]:
    """Connect over the machine's line for a ``with`` block."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        connect(line, folder / emulator.LINE, deadline.within(10), "connecting to the machine that rehearses")
        with connected(loopback_address(folder, 0), NAME, deadline, line) as transport:
            yield transport


def _session(folder: Path, deadline: Deadline) -> None:
    """Connect as a run does, place a file, and run programs as the student does."""
    with _line(folder, deadline) as plain, runner_server(plain, SITE.runner[0]) as transport:
        put(transport, SITE.work, [Item(NAME, b"#!/bin/sh\nexec true\n", 0o755)], deadline)
        for argv in ((f"{SITE.work}/{NAME}",), (SITE.runner[0], "--facts")):
            run_program(
                transport, SITE, argv, user=User.STUDENT, folder=SITE.work, timeout=60.0,
                output_limit=8192, env={}, deadline=deadline,
            )  # fmt: skip
        transport.run(["rm", "-f", f"{SITE.work}/{NAME}"], deadline=deadline)


def _quiet(handle: Handle, deadline: Deadline) -> None:
    """Stop the guest, and have QEMU close the files that it was given for its state."""
    with monitor(Path(handle.scratch) / "qmp.sock", deadline) as qmp:
        qmp.execute("stop")
        for one in qmp.execute("query-fdsets"):
            qmp.execute("remove-fd", {"fdset-id": one["fdset-id"]})


def _await_quiet(pid: int, template: Template, deadline: Deadline) -> None:
    """Wait until the emulator has closed what we have hung up. What it never closes is told when it is
    frozen."""

    def quiet() -> bool:
        seen = descriptors.read(pid, SOCKETS, template.memory)
        return not seen.settling and len(seen.left) <= _OURS

    with contextlib.suppress(TimedOut):
        poll(
            quiet, deadline.within(SETTLE_SECONDS), "waiting for QEMU to close its connections", interval=0.02
        )
    deadline.check("waiting for QEMU to close its connections")


def _write(pid: int, context: int, seen: descriptors.Descriptors, frozen: FrozenImage) -> dict[str, Any]:
    """Write a process that stands still to the image's file; returns facts about it."""
    begun = time.monotonic()
    if seen.left:
        raise BootError(f"QEMU has something open that cannot be frozen: {', '.join(seen.left)}")
    missing = {*SOCKETS, descriptors.TCP, descriptors.CONSOLE} - set(seen.given)
    if missing:
        raise BootError(f"QEMU does not have open what it should: {', '.join(sorted(missing))}")
    memory, kernel = memory_map.read(pid)
    whole = image_file.Frozen(context, kernel, memory, seen.counters, seen.signals, seen.signal_fd)
    with memory_map.memory_of(pid) as file:
        stored = image_file.write(
            frozen.image, whole, lambda address, length: _read(file.fileno(), address, length)
        )
    return {
        "descriptors": {name: [one.number, one.flags] for name, one in seen.given.items()},
        "stored": stored,
        "size": frozen.image.stat().st_size,
        "table": image_file.table_digest(frozen.image),
        "digest": cache.sha256_file(frozen.image),
        "parts": len(memory),
        "write_seconds": round(time.monotonic() - begun, 3),
    }


def _read(descriptor: int, address: int, length: int) -> bytes:
    data = os.pread(descriptor, length, address)
    if len(data) != length:
        raise BootError(f"cannot read QEMU's memory at {address:#x}")
    return data
