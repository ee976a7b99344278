"""Boot a domain until its SSH server answers, under an accelerator that really works there."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.drivers.guest.identity import folder_with_keys, give, network_config
from orchestrator.drivers.guest.layout import forwarded_port
from orchestrator.drivers.libvirt import storage
from orchestrator.drivers.libvirt.connection import human_command, library, opened, raised_as
from orchestrator.drivers.libvirt.domain_xml import arch_name, machine_type, owner_of_guests, render_domain
from orchestrator.drivers.libvirt.inventory import console_name, domain_of
from orchestrator.drivers.libvirt.serial_channel import Channel, knows_its_end
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import BootError, TransportError
from orchestrator.host.console_log import Console
from orchestrator.labfile.libvirt_uri import Uri, parse
from orchestrator.progress import Progress

KVM_SECONDS = 10.0
"""How long a guest on another host may take under KVM before that KVM counts as broken."""
LOOK_SECONDS = 0.5
"""How often the console of a booting machine is read."""
without_kvm: set[str] = set()
"""Daemons on other hosts whose KVM this process found not to work."""


def accelerators(connection: Any, uri: Uri, order: Order) -> Iterator[tuple[str, float]]:
    """Yield accelerators to try in turn, and for how many seconds (0: until the machine's deadline).
    Only another host leaves a choice; on this one, KVM was tested beforehand."""
    if order.accel != "auto":
        yield order.accel, 0.0
        return
    if uri.text not in without_kvm:
        with contextlib.suppress(library().libvirtError):
            names = (arch_name(order.arch), machine_type(order.arch))
            connection.getDomainCapabilities(None, *names, "kvm", 0)
            yield "kvm", KVM_SECONDS
    yield "tcg", 0.0


def bring_up(
    connection: Any,
    uri: Uri,
    order: Order,
    handle: Handle,
    deadline: Deadline,
    patience: float,
    progress: Progress,
) -> Handle:
    """Start the domain and wait for an SSH server with its own host key; ``patience`` limits the
    kernel's boot, 0: only the deadline does."""
    keys = folder_with_keys(Path(handle.scratch))
    progress.doing(order.name, f"preparing its image on {uri.where}")
    files = storage.provide(connection, uri, order.image, console_name(handle), deadline)
    # For its capabilities, a daemon queries every emulator it has, once: that may take a minute.
    owner = "" if uri.session else owner_of_guests(connection.getCapabilities())
    xml = render_domain(order, handle, files, owner)
    (order.logs / "domain.xml").write_text(xml)
    libvirt = library()
    with raised_as(BootError, f"{order.name}: libvirt on {uri.where} cannot start it"):
        domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
    with knows_its_end(connection, domain) as ended, Channel(connection, domain, ended) as port:
        with raised_as(BootError, f"{order.name}: libvirt cannot start it"):
            domain.resume()
        meanwhile = _watcher(connection, order, handle, ended, progress)
        kernel = deadline.within(patience) if patience else deadline
        port.expect("ready", kernel, meanwhile)
        give(port, order.name, keys, network_config(order, [place.mac for place in order.attachments]))
        port.expect("sshd", deadline, meanwhile)
        return replace(handle, data={**handle.data, "port": _asked_port(domain)})


def _watcher(
    connection: Any, order: Order, handle: Handle, ended: threading.Event, progress: Progress
) -> Callable[[], None]:
    """Return what to call while waiting for a guest: it reports the last console line, and raises
    BootError when the guest is lost."""
    log = order.logs / "console.log"
    console, last = Console(log), 0.0

    def look() -> None:
        nonlocal last
        over = ended.is_set()
        if not over and time.monotonic() - last < LOOK_SECONDS:
            return
        last = time.monotonic()
        with raised_as(BootError, f"{order.name}: lost the libvirt daemon while booting"):
            storage.fetch(connection, console_name(handle), log)
        words = console.last_line() or "firmware"
        progress.doing(order.name, f"booting: {words}", order.arch.boot_seconds)
        if console.panicked():
            raise BootError(
                f"{order.name}: the guest's kernel panicked:\n{console.panic()}\n{console.tail(12)}"
            )
        if over:
            raise BootError(f"{order.name}: stopped while booting; last console lines:\n{console.tail(12)}")

    return look


def _asked_port(domain: Any) -> int:
    """Return the port QEMU chose on its host. Raises BootError."""
    with raised_as(BootError, "QEMU did not report the port it forwards"):
        return forwarded_port(human_command(domain, "info usernet"))


def find_port(handle: Handle, deadline: Deadline) -> int:
    """Return the machine's port on the daemon's host. Raises TransportError when it is gone."""
    uri = parse(handle.data["uri"])
    with opened(uri, deadline) as connection:
        domain = domain_of(connection, handle)
        if domain is None:
            raise TransportError(f"{handle.machine}: not running on {uri.where}")
        return _asked_port(domain)
