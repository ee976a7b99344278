"""Networks of one run for tests: laid without a lab, with machines at known addresses, and ways to
try who reaches whom."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import daemons
from bench import Bench, Kind, order_for, template_for
from habitat import Home

from orchestrator import drivers
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Networking
from orchestrator.drivers.container.needs import IP
from orchestrator.drivers.guest import vde
from orchestrator.drivers.model import Attachment, Handle, NetworkOrder, Order, Template
from orchestrator.host import process
from orchestrator.machines import host_packages
from orchestrator.paths import scratch_dir
from orchestrator.progress import SilentProgress
from orchestrator.results.store import new_run_id


@dataclass(frozen=True)
class Segment:
    """A network of one run, and the machines on it that a test has brought up."""

    home: Home
    kind: Kind
    wanted: NetworkOrder
    handle: Handle

    def order(self, number: int, internet: bool = False) -> Order:
        """The machine that is to be at the ``number``-th address."""
        name, address = self.wanted.machines[number - 1], f"10.77.0.{number}"
        place = Attachment(
            "lan", address, 24, f"02:69:0a:4d:00:{number:02x}", self.handle.data["plugs"][name], internet
        )
        hosts = tuple((who, f"10.77.0.{at}") for at, who in enumerate(self.wanted.machines, start=1))
        plain = order_for(self.kind, self.home, name=name)
        found = replace(
            plain,
            run=self.wanted.run,
            scratch=scratch_dir() / self.wanted.run / name,
            attachments=(place,),
            hosts=hosts,
        )
        if not self.kind.cloned:
            return found
        template = template_for(found)
        assert isinstance(template, Template), template
        return replace(found, template=template)


def wanted_for(home: Home, kind: Kind) -> NetworkOrder:
    """A network of a run of its own, for three machines; always the same names and addresses."""
    run, about, uri = new_run_id(), ARCHITECTURES[kind.arch], None
    if kind.driver == "libvirt":
        uri = daemons.uri(kind.way)
    scratch, logs = scratch_dir() / run / "net.lan", home.root / "logs"
    names = ("one", "two", "three")
    return NetworkOrder(run, "lan", kind.driver, "10.77.0.0/24", names, about, scratch, logs, uri)


@contextlib.contextmanager
def segment(home: Home, kind: Kind) -> Iterator[Segment]:
    """Such a network, laid."""
    # VirtualBox needs nothing, and an outer guest has nothing to install from.
    needs = [] if kind.driver == "virtualbox" else [vde.NEED, IP]
    host_packages.ensure(needs, SilentProgress(), Deadline.after(600))
    wanted = wanted_for(home, kind)
    driver = drivers.load(kind.driver)
    found = cast(Networking, driver)
    handle = found.prepare_network(wanted)
    found.create_network(wanted, handle, Deadline.after(60))
    try:
        yield Segment(home, kind, wanted, handle)
    finally:
        driver.down(handle)
        driver.down(handle)  # again: it is no error
        with contextlib.suppress(OSError):
            wanted.scratch.parent.rmdir()


PATIENCE = 60
"""Seconds that a guest of a busy host has for what it is allowed to do."""


def answers(machine: Bench, whom: str) -> bool:
    """Whether ``whom`` is there: it refuses a connection to a port where nobody listens. (A ping
    would take CAP_NET_RAW, which containers lack.) Who does is given time."""
    return _refuses(machine, whom, PATIENCE)


def stays_silent(machine: Bench, whom: str) -> bool:
    """Whether nobody answers for ``whom``, who is up."""
    return not _refuses(machine, whom, 5)


def _refuses(machine: Bench, whom: str, seconds: int) -> bool:
    return "refused" in machine.command("busybox", "nc", "-w", str(seconds), whom, "9").stderr.decode()


def knock(machine: Bench, address: str, port: int) -> None:
    """Try to connect, whatever comes of it."""
    machine.command(
        "sh", "-c", f"busybox timeout 6 busybox nc -w 4 {address} {port} </dev/null >/dev/null 2>&1; true"
    )


def come(machine: Bench, address: str, port: int) -> None:
    """Begin to connect where it is allowed, and leave the machine to it: whoever listens there waits."""
    nc = f"busybox timeout {PATIENCE} busybox nc -w {PATIENCE} {address} {port}"
    machine.command("sh", "-c", f"{nc} </dev/null >/dev/null 2>&1 &")


def sneak(machine: Bench, address: str, port: int, mac: str = "", seconds: int = 4) -> None:
    """Send a datagram to ``address`` over the private network, whatever the routes say; to the
    hardware address ``mac``, else to whoever says that it is there."""
    script = f"busybox ip route add {address} dev lan0; "
    script += f"busybox arp -s {address} {mac} -i lan0; " if mac else ""
    script += f"busybox timeout {seconds} busybox tftp -g -l /dev/null -r x {address} {port}; "
    script += f"busybox arp -d {address} -i lan0; busybox ip route del {address} dev lan0"
    machine.command("sh", "-c", f"({script}) >/dev/null 2>&1 </dev/null; true")


@contextlib.contextmanager
def hearing_on_host() -> Iterator[tuple[int, Callable[[], bool]]]:
    """A datagram socket at every address of the host; tells whether anything came. (One way is
    enough: an answer might be sent by another one.)"""
    with socket.socket(type=socket.SOCK_DGRAM) as ear:
        ear.bind(("0.0.0.0", 0))

        def reached() -> bool:
            ear.settimeout(1)
            try:
                ear.recv(2048)
            except TimeoutError:
                return False
            return True

        yield ear.getsockname()[1], reached


@contextlib.contextmanager
def listening_on_host() -> Iterator[tuple[int, Callable[..., bool]]]:
    """A listener at every address of the host; tells whether anybody comes within so many seconds."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()

        def reached(seconds: float = 2.0) -> bool:
            listener.settimeout(seconds)
            try:
                listener.accept()[0].close()
            except TimeoutError:
                return False
            return True

        yield listener.getsockname()[1], reached


def host_addresses() -> list[str]:
    shown = process.run(["ip", "-4", "-o", "address"], deadline=Deadline.after(60)).stdout.decode()
    return [found for found in re.findall(r"inet ([0-9.]+)/", shown) if not found.startswith("127.")]
