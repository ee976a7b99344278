"""QEMU: virtual machines of the host's architecture (KVM or emulated) and of every other one.

A machine is thawed from a frozen emulator if there is a good one; otherwise it is a clone of a booted
template if there is a good one; otherwise it boots.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.guest import cloud_init, vde
from orchestrator.drivers.guest.identity import Port, desk_of, folder_with_keys, give, network_config
from orchestrator.drivers.guest.layout import SITE, forwarded_port, loopback_address
from orchestrator.drivers.model import FrozenImage, Handle, NetworkOrder, Order, Template
from orchestrator.drivers.qemu import emulator, home, snapshot
from orchestrator.drivers.qemu.emulator import render_argv
from orchestrator.drivers.qemu.qmp import human_command
from orchestrator.drivers.qemu.thaw import check, freeze
from orchestrator.drivers.qemu.thaw import identity as thaw_identity
from orchestrator.drivers.qemu.thaw import start as thaw
from orchestrator.errors import BootError, BuildError, LabError, TimedOut, Unavailable
from orchestrator.host.packages import Need, qemu_need
from orchestrator.host.unix_socket import first_line
from orchestrator.labfile.models import Machine
from orchestrator.progress import Progress
from orchestrator.transport.base import InteractiveTransport
from orchestrator.transport.ssh import Address, connected

__all__ = ["DRIVER", "forwarded_port", "render_argv"]

FAST_SECONDS = 45.0
"""How long a thawed machine or a clone may take before it is started in a slower way; on a busy host a good
one takes a second or two."""


@dataclass(frozen=True)
class _StartWay:
    """A way to start a machine: its word in records, the order without what it does not use, and what is
    told when it fails and the next one is tried, "" for the last; ``failures`` are the errors after which
    it is."""

    start: str
    order: Order
    instead: str = ""
    on_trial: bool = False
    failures: tuple[type[LabError], ...] = ()


def _ways(order: Order) -> Iterator[_StartWay]:
    """Yield the ways to start a machine, the fastest first. Pure."""
    if order.frozen is not None:
        # Whatever it is: what is compiled for it may be missing, what it has mapped another file by now.
        failures = (BootError, TimedOut, Unavailable, BuildError)
        words = "the frozen emulator did not thaw, cloning instead"
        yield _StartWay("thaw", order, words, order.frozen.on_trial, failures)
    if order.template is not None:
        words = "the clone did not come up, booting instead"
        yield _StartWay(
            "clone", replace(order, frozen=None), words, order.template.on_trial, (BootError, TimedOut)
        )
    yield _StartWay("cold", replace(order, frozen=None, template=None))


class Qemu:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        if shutil.which(arch.qemu) is None:
            raise Unavailable(
                f"{arch.qemu} is not installed, and {arch.name} machines need it",
                hint=f"install the package {arch.qemu_packages[0]}",
            )

    def needs(self, machine: Machine) -> list[Need]:
        return [qemu_need(machine.arch or host_arch().name), *([vde.NEED] if machine.networks else [])]

    def longest_sockets(self, name: str, machine: Machine) -> list[str]:
        # While its template is built, a machine's folder has a longer name.
        return [f"{name}-build/port.sock", *(vde.longest_socket(n, vde.QEMU) for n in machine.networks)]

    def prepare(self, order: Order) -> Handle:
        return Handle(
            driver="qemu",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel=order.accel,
            scratch=str(order.scratch),
            site=SITE,
            data={"start": next(_ways(order)).start},
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        try:
            for way in _ways(order):
                limit = deadline.within(FAST_SECONDS * order.image.effort) if way.instead else deadline
                try:
                    bring_up(way.order, handle, limit, progress)
                except way.failures as problem:
                    if way.on_trial:
                        raise
                    deadline.check(f"{order.name}: {way.start}")
                    progress.tell(f"{order.name}: {way.instead}: {problem.message}")
                    self.down(handle)
                else:
                    return replace(handle, data={**handle.data, "start": way.start})
            raise AssertionError("the last way returns or raises")
        except BaseException:
            self.down(handle)
            raise

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        folder = Path(handle.scratch)
        return _address(folder, deadline)

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[InteractiveTransport]:
        folder, name = Path(handle.scratch), handle.machine
        line = first_line(folder / emulator.LINE, deadline)
        address = loopback_address(folder, 0) if line else self.address(handle, deadline)
        with connected(address, name, deadline, line) as transport:
            yield transport

    def memory(self, handle: Handle) -> int:
        return emulator.memory_in_use(handle)

    def down(self, handle: Handle) -> None:
        if handle.is_network:
            vde.end(handle)
        else:
            emulator.end(handle)
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def own_memory(self, handle: Handle) -> int:
        return emulator.own_memory(handle)

    def cannot_clone(self, order: Order) -> str:
        return emulator.cannot_clone(order)

    def template_identity(self, order: Order) -> tuple[object, ...]:
        return snapshot.identity(order)

    def build_template(
        self, order: Order, handle: Handle, template: Template, deadline: Deadline, progress: Progress
    ) -> float:
        return snapshot.build_template(order, handle, template, deadline, progress)

    def cannot_thaw(self, order: Order) -> str:
        return thaw_identity.obstacle(order)

    def frozen_identity(self, order: Order) -> tuple[object, ...]:
        return thaw_identity.of(order)

    def freeze(
        self, order: Order, handle: Handle, frozen: FrozenImage, deadline: Deadline, progress: Progress
    ) -> Mapping[str, Any]:
        return freeze.freeze(order, handle, frozen, deadline, progress)

    def damage(self, frozen: FrozenImage, *, whole: bool) -> str:
        return check.damage(frozen, whole=whole)

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        endpoints = dict.fromkeys(wanted.machines, vde.endpoint(wanted.scratch, vde.QEMU))
        name, scratch = wanted.scratch.name, str(wanted.scratch)
        return Handle("qemu", wanted.run, name, "", "", "", scratch, SITE, {"plugs": endpoints})

    def create_network(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        try:
            vde.require(wanted.arch.qemu, deadline)
            vde.start(vde.endpoint(wanted.scratch, vde.QEMU), len(wanted.machines), deadline)
        except BaseException:
            self.down(handle)
            raise

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        for run, machine in [*emulator.running(scratch), *vde.running(scratch, vde.QEMU)]:
            yield Handle("qemu", run, machine, "", "", "", str(scratch / run / machine), SITE)


def _address(folder: Path, deadline: Deadline) -> Address:
    """Return the SSH address of the machine with this scratch folder."""
    return loopback_address(
        folder, forwarded_port(human_command(folder / "qmp.sock", "info usernet", deadline))
    )


def _unmarked(_phase: str) -> None:
    """Do nothing with a phase: not measured."""


def bring_up(
    order: Order,
    handle: Handle,
    deadline: Deadline,
    progress: Progress,
    mark: Callable[[str], None] = _unmarked,
) -> None:
    """Start the machine and wait for an SSH server with its own host key.

    ``mark`` is called with the name of each phase when it ends: keys, spawn, load or boot,
    identity. Raises BootError, TimedOut, Interrupted.
    """
    with emulator.explained(order, handle):
        _bring_up(order, handle, deadline, progress, mark)


def _bring_up(
    order: Order, handle: Handle, deadline: Deadline, progress: Progress, mark: Callable[[str], None]
) -> None:
    keys = folder_with_keys(Path(handle.scratch))
    emulator.make_disk(order, handle, deadline)
    if order.image.by_cloud_init:
        cloud_init.write_seed(Path(handle.scratch) / emulator.SEED, order.name, keys, deadline)
    if order.frozen is not None:
        progress.doing(order.name, "thawing")
        mark("keys")
        thaw.start(order.frozen, order, handle, deadline)
        mark("load")
    elif order.template is not None:
        progress.doing(order.name, "cloning")
        mark("keys")
        snapshot.restore(order.template, order, handle, deadline, mark)
    else:
        mark("keys")
        emulator.start(order, handle, deadline)
        mark("spawn")
    word, expected = (
        ("cloning", 1.0) if order.template else ("booting", order.arch.boot_seconds * order.image.effort)
    )
    meanwhile = emulator.watcher(order, handle, progress, order.name, word, expected)
    if order.image.by_cloud_init:
        address = _address(Path(handle.scratch), deadline)
        cloud_init.settle(address, order.name, order.image, deadline, meanwhile)
        mark("boot")
        return
    with Port(Path(handle.scratch) / "port.sock", deadline) as port:
        if order.template is None:
            port.expect("ready", deadline, meanwhile)
            mark("boot")
        macs = [emulator.device_mac(number) for number in range(len(order.attachments))]
        give(port, order.name, keys, network_config(order, macs), desk_of(order, home.size(order)))
        port.expect("sshd", deadline, meanwhile)
        for words in port.notes:
            progress.tell(f"{order.name}: {words}")
        mark("identity")


DRIVER = Qemu()
