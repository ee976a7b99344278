"""libvirt: virtual machines run by its daemon, on this host or on another one.

Domains are transient, so nothing stays defined; they carry isolab's tag in their metadata. Each
operation queries the daemon anew: it may restart while its machines keep running.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.guest import vde
from orchestrator.drivers.guest.layout import SITE, loopback_address
from orchestrator.drivers.libvirt import boot, inventory, networks, storage
from orchestrator.drivers.libvirt.connection import library, opened
from orchestrator.drivers.libvirt.domain_xml import arch_name, machine_type
from orchestrator.drivers.libvirt.needs import needs
from orchestrator.drivers.libvirt.ownership import place, remember, remembered
from orchestrator.drivers.model import Handle, NetworkOrder, Order
from orchestrator.errors import BootError, TeardownError, TimedOut, TransportError, Unavailable
from orchestrator.host import process
from orchestrator.host.packages import Need
from orchestrator.labfile.libvirt_uri import SESSION, default_uri, parse
from orchestrator.labfile.models import Machine
from orchestrator.progress import Progress
from orchestrator.transport.base import InteractiveTransport
from orchestrator.transport.ssh import Address, connected

DOWN_SECONDS = 120.0


class Libvirt:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        uri = parse(machine.uri or default_uri())
        if uri.text == SESSION and os.getuid() == 0:
            raise Unavailable(
                "libvirt has no session for root",
                hint="use `uri: qemu:///system`, or run isolab as an ordinary user",
            )
        with opened(uri, Deadline.after(60)) as connection:
            try:
                connection.getDomainCapabilities(None, arch_name(arch), machine_type(arch), "qemu", 0)
            except library().libvirtError as problem:
                raise Unavailable(
                    f"libvirt on {uri.where} cannot run {arch.name} machines: {problem}",
                    hint=f"install the package {arch.qemu_packages[0]} on {uri.where}",
                ) from None

    def needs(self, machine: Machine) -> list[Need]:
        return needs(machine)

    def longest_sockets(self, name: str, machine: Machine) -> list[str]:
        session = parse(machine.uri or default_uri()).session
        return [vde.longest_socket(n, vde.LIBVIRT) for n in machine.networks] if session else []

    def prepare(self, order: Order) -> Handle:
        uri = parse(order.machine.uri or default_uri())
        data = {
            "start": "cold",
            "uri": uri.text,
            "place": place(order.scratch.parent.parent),
            "logs": str(order.logs),
            **({"jump": uri.jump} if uri.remote else {}),
        }
        return Handle(
            driver="libvirt",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel=order.accel,
            scratch=str(order.scratch),
            site=SITE,
            data=data,
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        uri = parse(handle.data["uri"])
        progress.doing(order.name, f"connecting to libvirt on {uri.where}")
        with opened(uri, deadline) as connection:
            remember(uri)
            for accel, patience in boot.accelerators(connection, uri, order):
                handle = replace(handle, accel=accel)
                try:
                    return boot.bring_up(connection, uri, order, handle, deadline, patience, progress)
                except (BootError, TimedOut) as problem:
                    self.down(handle)
                    deadline.check(f"{order.name}: booting")
                    if not patience:
                        raise
                    boot.without_kvm.add(uri.text)
                    progress.tell(
                        f"{order.name}: emulation (TCG), KVM on {uri.where} does not work: {problem.message}"
                    )
                except BaseException:
                    self.down(handle)
                    raise
        raise AssertionError("the last accelerator either works or raises")

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        port = handle.data.get("port") or boot.find_port(handle, deadline)
        return loopback_address(Path(handle.scratch), port)

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[InteractiveTransport]:
        uri, folder = parse(handle.data["uri"]), Path(handle.scratch)
        address = self.address(handle, deadline)
        if not uri.remote:
            with connected(address, handle.machine, deadline) as transport:
                yield transport
            return
        log = folder / "jump.log"
        argv = uri.ssh_argv("-W", f"{address.host}:{address.port}")
        with contextlib.ExitStack() as stack:
            endpoint = stack.enter_context(process.plugged(argv, log))
            try:
                through = stack.enter_context(connected(address, handle.machine, deadline, endpoint))
            except TransportError as problem:
                words = log.read_text(errors="replace").strip()[-500:]
                raise TransportError(f"{problem.message} (through {uri.host}: {words})") from None
            yield through

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        return networks.prepare(wanted)

    def create_network(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        try:
            networks.create(wanted, handle, deadline)
        except BaseException:
            self.down(handle)
            raise

    def down(self, handle: Handle) -> None:
        uri, deadline = parse(handle.data["uri"]), Deadline.after(DOWN_SECONDS)
        if handle.is_network and uri.session:
            vde.end(handle)
            shutil.rmtree(handle.scratch, ignore_errors=True)
            return
        try:
            with opened(uri, deadline) as connection:
                (networks if handle.is_network else inventory).remove(connection, handle, deadline)
        except (Unavailable, TimedOut) as problem:
            # A machine's folder is created first: without it there is no machine.
            if Path(handle.scratch).exists() or uri.remote:
                raise TeardownError(
                    f"{handle.machine}: cannot remove it: {problem.message}", hint=problem.hint
                ) from None
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        mark = place(scratch)
        for run, name in vde.running(scratch, vde.LIBVIRT):
            folder = str(scratch / run / name)
            yield Handle("libvirt", run, name, "", "", "", folder, SITE, {"uri": SESSION, "place": mark})
        for uri, run, machine in inventory.everywhere(mark):
            folder = str(scratch / run / machine)
            data = {"uri": uri.text, "place": mark}
            yield Handle("libvirt", run, machine, "", "", "", folder, SITE, data)

    def prune(self, keep: Collection[str]) -> Iterator[str]:
        for uri in remembered():
            with opened(uri, Deadline.after(60)) as connection:
                for name in storage.prune(connection, keep):
                    yield f"{name} on {uri.where}"


DRIVER = Libvirt()
