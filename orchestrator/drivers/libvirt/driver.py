"""libvirt: virtual machines by its daemon, on this host or on another one.

Domains are transient, so nothing stays defined; they carry our tag in their metadata. The daemon
is asked anew each time: it may restart while its machines run on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.guest import vde
from orchestrator.drivers.guest.identity import folder_with_keys, give, lines_of
from orchestrator.drivers.guest.layout import SITE, forwarded_port, loopback_address
from orchestrator.drivers.libvirt import inventory, networks, storage
from orchestrator.drivers.libvirt.connection import human_command, library, opened, told_as
from orchestrator.drivers.libvirt.domain_xml import (
    arch_name,
    machine_type,
    owner_of_guests,
    render_domain,
)
from orchestrator.drivers.libvirt.inventory import console_name, domain_of, running_here, tagged
from orchestrator.drivers.libvirt.needs import needs
from orchestrator.drivers.libvirt.ownership import (
    daemons,
    place,
    remember,
    remembered,
    remembered_file,
)
from orchestrator.drivers.libvirt.serial_channel import Channel, told_of_its_end
from orchestrator.drivers.model import Handle, NetworkOrder, Order
from orchestrator.errors import (
    BootError,
    LabError,
    TeardownError,
    TimedOut,
    TransportError,
    Unavailable,
)
from orchestrator.host import process
from orchestrator.host.console_log import Console
from orchestrator.host.packages import Need
from orchestrator.labfile.libvirt_uri import SESSION, Uri, default_uri, parse
from orchestrator.labfile.models import Machine
from orchestrator.paths import scratch_dir
from orchestrator.progress import Progress
from orchestrator.transport.base import Conversing
from orchestrator.transport.ssh import Address, connected

__all__ = ["DRIVER", "render_domain"]

KVM_SECONDS = 10.0
"""How long a guest on another host may take under its KVM before that is taken for broken."""
LOOK_SECONDS = 0.5
"""How often the console of a booting machine is read."""
DOWN_SECONDS = 120.0

_without_kvm: set[str] = set()
"""Daemons on other hosts whose KVM was found not to work by this process."""


class Libvirt:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        uri = parse(machine.uri or default_uri())
        if uri.text == SESSION and os.getuid() == 0:
            raise Unavailable("libvirt has no session for root", hint="use uri: qemu:///system, or no root")
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
            for accel, patience in _accelerators(connection, uri, order):
                handle = replace(handle, accel=accel)
                try:
                    return _bring_up(connection, uri, order, handle, deadline, patience, progress)
                except (BootError, TimedOut) as problem:
                    self.down(handle)
                    deadline.check(f"{order.name}: booting")
                    if not patience:
                        raise
                    _without_kvm.add(uri.text)
                    progress.tell(
                        f"{order.name}: emulation (TCG), KVM on {uri.where} is of no use: {problem.message}"
                    )
                except BaseException:
                    self.down(handle)
                    raise
        raise AssertionError("the last accelerator either works or raises")

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        folder = Path(handle.scratch)
        return loopback_address(
            folder, handle.data.get("port") or _port(parse(handle.data["uri"]), handle, deadline)
        )

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[Conversing]:
        uri, folder = parse(handle.data["uri"]), Path(handle.scratch)
        address = self.address(handle, deadline)
        if not uri.remote:
            with connected(address, handle.machine, deadline) as transport:
                yield transport
            return
        log = folder / "jump.log"
        argv = uri.ssh_argv("-W", f"{address.host}:{address.port}")
        with contextlib.ExitStack() as stack:
            plug = stack.enter_context(process.plugged(argv, log))
            try:
                through = stack.enter_context(connected(address, handle.machine, deadline, plug))
            except TransportError as problem:
                words = log.read_text(errors="replace").strip()[-500:]
                raise TransportError(f"{problem.message} (by way of {uri.host}: {words})") from None
            yield through

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        return networks.prepare(wanted)

    def lay(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        try:
            networks.lay(wanted, handle, deadline)
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
            # A machine gets its folder before anything else: without it there is no machine.
            if Path(handle.scratch).exists() or uri.remote:
                raise TeardownError(
                    f"{handle.machine}: cannot be removed: {problem.message}", hint=problem.hint
                ) from None
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self) -> Iterator[Handle]:
        mark = place(scratch_dir())
        for run, name in vde.running(scratch_dir(), vde.LIBVIRT):
            folder = str(scratch_dir() / run / name)
            yield Handle("libvirt", run, name, "", "", "", folder, SITE, {"uri": SESSION, "place": mark})
        known: set[tuple[str, str]] = set()  # one daemon may be reached by several addresses
        for uri in daemons():
            try:
                with opened(uri, Deadline.after(60)) as connection:
                    found = set(tagged(connection, mark, uri.session))
            except LabError as problem:
                if not uri.remote and not running_here():
                    continue
                raise Unavailable(
                    f"leftovers cannot be looked for: {problem.message}",
                    hint=f"{problem.hint}; if it is gone for ever, delete its line from {remembered_file()}",
                ) from None
            for run, machine in sorted(found - known):
                folder = str(scratch_dir() / run / machine)
                data = {"uri": uri.text, "place": mark}
                yield Handle("libvirt", run, machine, "", "", "", folder, SITE, data)
            known |= found

    def prune(self, keep: Collection[str]) -> Iterator[str]:
        for uri in remembered():
            with opened(uri, Deadline.after(60)) as connection:
                for name in storage.prune(connection, keep):
                    yield f"{name} on {uri.where}"


def _accelerators(connection: Any, uri: Uri, order: Order) -> Iterator[tuple[str, float]]:
    """What to try in turn, and for how many seconds (0: until the machine's own deadline). Only
    for another host is anything open here; on this one KVM was proved or not beforehand."""
    if order.accel != "auto":
        yield order.accel, 0.0
        return
    if uri.text not in _without_kvm:
        with contextlib.suppress(library().libvirtError):
            names = (arch_name(order.arch), machine_type(order.arch))
            connection.getDomainCapabilities(None, *names, "kvm", 0)
            yield "kvm", KVM_SECONDS
    yield "tcg", 0.0


def _bring_up(
    connection: Any,
    uri: Uri,
    order: Order,
    handle: Handle,
    deadline: Deadline,
    patience: float,
    progress: Progress,
) -> Handle:
    """From nothing to an SSH server with this machine's own host key; ``patience`` is for its
    kernel, 0 means none but the deadline's."""
    keys = folder_with_keys(Path(handle.scratch))
    progress.doing(order.name, f"providing its image to {uri.where}")
    files = storage.provide(connection, uri, order.image, console_name(handle), deadline)
    # To tell what it can do, a daemon asks every emulator it has, once: that may take a minute.
    owner = "" if uri.session else owner_of_guests(connection.getCapabilities())
    xml = render_domain(order, handle, files, owner)
    (order.logs / "domain.xml").write_text(xml)
    libvirt = library()
    with told_as(BootError, f"{order.name}: libvirt on {uri.where} does not start it"):
        domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
    with told_of_its_end(connection, domain) as ended, Channel(connection, domain, ended) as port:
        with told_as(BootError, f"{order.name}: it cannot be started"):
            domain.resume()
        meanwhile = _watcher(connection, order, handle, ended, progress)
        kernel = deadline.within(patience) if patience else deadline
        port.expect("ready", kernel, meanwhile)
        give(port, order.name, keys, lines_of(order, [place.mac for place in order.attachments]))
        port.expect("sshd", deadline, meanwhile)
        return replace(handle, data={**handle.data, "port": _asked_port(domain)})


def _watcher(
    connection: Any, order: Order, handle: Handle, ended: threading.Event, progress: Progress
) -> Callable[[], None]:
    """What to do while waiting for a guest: say what its console said last, raise BootError when it
    is lost."""
    log = order.logs / "console.log"
    console, last = Console(log), 0.0

    def look() -> None:
        nonlocal last
        over = ended.is_set()
        if not over and time.monotonic() - last < LOOK_SECONDS:
            return
        last = time.monotonic()
        with told_as(BootError, f"{order.name}: libvirt's daemon went away while it booted"):
            storage.fetch(connection, console_name(handle), log)
        words = console.last_line() or "firmware"
        progress.doing(order.name, f"booting: {words}", order.arch.boot_seconds)
        if console.panicked():
            raise BootError(
                f"{order.name}: the guest's kernel panicked:\n{console.panic()}\n{console.tail(12)}"
            )
        if over:
            raise BootError(
                f"{order.name}: the machine stopped while booting; the console's last lines:\n"
                f"{console.tail(12)}"
            )

    return look


def _asked_port(domain: Any) -> int:
    """The port QEMU chose on its host. Raises BootError."""
    with told_as(BootError, "QEMU does not say which port it forwards"):
        return forwarded_port(human_command(domain, "info usernet"))


def _port(uri: Uri, handle: Handle, deadline: Deadline) -> int:
    with opened(uri, deadline) as connection:
        domain = domain_of(connection, handle)
        if domain is None:
            raise TransportError(f"{handle.machine}: it is not running on {uri.where}")
        return _asked_port(domain)


DRIVER = Libvirt()
