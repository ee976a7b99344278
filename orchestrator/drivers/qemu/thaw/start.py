"""Make a machine of a frozen emulator: open its sockets and logs, start the loader, and have the guest go
on."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import FrozenImage, Handle, Order
from orchestrator.drivers.qemu import emulator
from orchestrator.drivers.qemu.emulator import UNPRIVILEGED, Memory
from orchestrator.drivers.qemu.qmp import monitor
from orchestrator.drivers.qemu.thaw import check, descriptors, parts
from orchestrator.errors import BootError
from orchestrator.host import process

_KEPT = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK
"""Flags with which a file is opened again."""


def start(frozen: FrozenImage, order: Order, handle: Handle, deadline: Deadline) -> None:
    """Thaw an emulator as this machine's, up to where its guest goes on. Raises BootError, Unavailable,
    BuildError, TimedOut, Interrupted."""
    assert order.template is not None
    if not frozen.on_trial and (wrong := check.damage(frozen, whole=False)):
        raise BootError(f"{order.name}: {frozen.image}: {wrong}")
    loader = parts.for_host(deadline).loader
    order.logs.mkdir(parents=True, exist_ok=True)
    template = order.template
    memory = Memory(template.memory, kernel=template.kernel, initrd=template.initrd, frozen=True)
    root = os.getuid() == 0
    argv = emulator.render_argv(order, handle, root, memory)
    user = str(UNPRIVILEGED if root else 0)
    with contextlib.ExitStack() as stack:
        try:
            image = _opened(frozen.image, os.O_RDONLY, stack)
            given = {
                name: _made(name, flags, order, handle, stack)
                for name, (_, flags) in frozen.descriptors.items()
            }
        except OSError as problem:
            raise BootError(f"{order.name}: cannot be thawed: {problem}") from None
        command = render_command(loader, image, user, given, frozen.descriptors, argv)
        (order.logs / "command.txt").write_text("\n".join(command) + "\n")
        limit = f"--fsize={emulator.most_bytes_of_a_file(order)}"
        process.detach(
            ["prlimit", limit, *command], order.logs / "qemu.log", deadline, inherit=[image, *given.values()]
        )
    with monitor(Path(handle.scratch) / "qmp.sock", deadline) as qmp:
        qmp.execute("cont")


def render_command(
    loader: Path,
    image: int,
    user: str,
    given: Mapping[str, int],
    wanted: Mapping[str, tuple[int, int]],
    argv: Sequence[str],
) -> list[str]:
    """Return the loader's command line: descriptors ``given`` become those ``wanted``, and ``argv`` is the
    emulator's own, for whoever looks for it. Pure."""
    moves = [f"{descriptor}:{wanted[name][0]}" for name, descriptor in given.items()]
    return [str(loader), str(image), user, user, *moves, "--", *argv]


def _made(name: str, flags: int, order: Order, handle: Handle, stack: contextlib.ExitStack) -> int:
    """Open what a descriptor of this name is in a new machine. Raises OSError."""
    assert order.template is not None
    if name == descriptors.TCP:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1)
    elif name == descriptors.CONSOLE:
        wanted = (flags & _KEPT) | os.O_CREAT | os.O_TRUNC
        return _opened(order.logs / descriptors.CONSOLE, wanted, stack)
    elif name == descriptors.MEMORY:
        return _opened(order.template.memory, os.O_RDONLY, stack)  # it is mapped already, and never written
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stack.enter_context(listener)
    if name != descriptors.TCP:
        listener.bind(str(Path(handle.scratch) / name))
        listener.listen(1)
    listener.setblocking(not flags & os.O_NONBLOCK)
    return listener.fileno()


def _opened(path: Path, flags: int, stack: contextlib.ExitStack) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    stack.callback(os.close, descriptor)
    return descriptor
