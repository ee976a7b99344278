"""What a student's machine reaches, tried from inside as root while another student's machines are up:
her own machines, and nobody else."""

from __future__ import annotations

import contextlib
import ctypes
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import Bench, Kind, living_in, on_bench
from consoles import keep_consoles
from habitat import Home, fresh_home, host_lock, own_number
from joined import PATIENCE, answers, come, host_addresses, knock, segment, stays_silent

from orchestrator.deadline import Deadline
from orchestrator.drivers.qemu.driver import DRIVER as QEMU
from orchestrator.host import process

pytestmark = pytest.mark.real

KIND = Kind("qemu", "arm64", cloned=True)
HOST_HERE, FAR = "198.51.100.1", "198.51.100.2"
"""Addresses for documentation (RFC 5737): this host's and the far end's, of a network namespace that stands
for the Internet."""


@dataclass(frozen=True)
class Room:
    """Two students' machines: ``ann``'s two on a private network, ``bob``'s on an equal one of his own."""

    home: Home
    ann: Bench
    hers: Bench
    bob: Bench


@pytest.fixture(scope="module")
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        keep_consoles(request.session, home.root)
        seats = [stack.enter_context(segment(home, KIND)) for _ in range(2)]
        orders = seats[0].order(1), seats[0].order(2), seats[1].order(3)
        ann, hers, bob = (stack.enter_context(on_bench(KIND, order)) for order in orders)
        yield Room(home, ann, hers, bob)


@contextlib.contextmanager
def listening(address: str) -> Iterator[tuple[int, Callable[[], bool]]]:
    """A listener at an address of this host; tells whether anybody came."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        listener.listen()

        def reached() -> bool:
            listener.settimeout(0.5)
            try:
                listener.accept()[0].close()
            except TimeoutError:
                return False
            return True

        yield listener.getsockname()[1], reached


def ip(*words: str) -> None:
    process.run(["ip", *words], deadline=Deadline.after(60))


def _enter(namespace: int) -> None:
    """This thread's network is another one's from now on: setns(2)."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0) == -1:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def internet() -> Iterator[Callable[[], socket.socket]]:
    """A network namespace beyond this host's own router; yields a function that listens there. Its addresses
    are the host's, for one test at a time."""
    name = f"il{own_number(3)}"[-12:]
    with host_lock("internet"), _beyond(name) as far:
        yield far


@contextlib.contextmanager
def _beyond(name: str) -> Iterator[Callable[[], socket.socket]]:
    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}h", "type", "veth", "peer", "name", f"{name}f", "netns", name)
        ip("address", "add", f"{HOST_HERE}/30", "dev", f"{name}h")
        ip("link", "set", f"{name}h", "up")
        ip("-n", name, "address", "add", f"{FAR}/30", "dev", f"{name}f")
        ip("-n", name, "link", "set", f"{name}f", "up")

        def far() -> socket.socket:
            with Path("/proc/self/ns/net").open() as ours, Path(f"/run/netns/{name}").open() as theirs:
                _enter(theirs.fileno())
                try:
                    listener = socket.socket()
                finally:
                    _enter(ours.fileno())
            listener.bind((FAR, 0))
            listener.listen()
            return listener

        yield far
    finally:
        process.run(["ip", "link", "delete", f"{name}h"], deadline=Deadline.after(60), check=False)
        ip("netns", "delete", name)


def connects(machine: Bench, address: str, port: int, seconds: int = 2) -> bool:
    """Whether a connection from root in the machine comes about: an SSH server says its name."""
    nc = f"busybox timeout {seconds + 2} busybox nc -w {seconds} {address} {port}"
    script = f"{nc} </dev/null 2>/dev/null | head -c 4"
    return machine.command("sh", "-c", script).stdout == b"SSH-"


def came(listener: socket.socket, seconds: float = 0.5) -> bool:
    listener.settimeout(seconds)
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


class TestAStudentsMachine:
    def test_reaches_her_other_machine(self, room: Room) -> None:
        """The control of all that follows: an attempt that is allowed."""
        assert answers(room.ann, "two")
        assert connects(room.ann, "10.77.0.2", 22, PATIENCE)

    @pytest.mark.parametrize("bound", ["0.0.0.0", "127.0.0.1"])
    def test_does_not_reach_this_host(self, room: Room, bound: str) -> None:
        with listening(bound) as (port, reached):
            with socket.create_connection(("127.0.0.1", port)):
                assert reached()  # somebody who may
            for address in ("10.0.2.2", "10.0.2.3", "127.0.0.1", "10.77.0.254", *host_addresses()):
                knock(room.ann, address, port)
            assert not reached()

    def test_does_not_reach_another_students_machine(self, room: Room) -> None:
        assert stays_silent(room.ann, "10.77.0.3")
        assert not connects(room.ann, "10.77.0.3", 22)
        port = QEMU.address(room.bob.live.handle, Deadline.after(60)).port
        with socket.create_connection(("127.0.0.1", port)) as there:
            assert there.recv(4) == b"SSH-"  # from this host it is reached
        for address in ("10.0.2.2", *host_addresses()):
            assert not connects(room.ann, address, port)

    def test_does_not_reach_the_internet(self, room: Room) -> None:
        with internet() as far, far() as listener:
            port = listener.getsockname()[1]
            with socket.create_connection((FAR, port)):
                assert came(listener)
            script = f"busybox ip route add default via 10.0.2.2; busybox nc -w 2 {FAR} {port} </dev/null; "
            script += "busybox ip route del default via 10.0.2.2"
            for machine in (room.ann, room.bob):
                machine.command("sh", "-c", f"({script}) >/dev/null 2>&1; true")
                assert not came(listener)

    def test_finds_no_open_port_of_this_host(self, room: Room) -> None:
        """A scan of the addresses its user network knows, at the ports of services and of this room."""
        ports = [22, 53, 80, 111, 139, 443, 445, 2222, 8443]
        ports += [QEMU.address(bench.live.handle, Deadline.after(60)).port for bench in (room.ann, room.bob)]
        tries = " ".join(f"{address}:{port}" for address in ("10.0.2.2", "10.0.2.4") for port in ports)
        script = f"for at in {tries}; do (busybox nc -w 2 ${{at%:*}} ${{at#*:}} </dev/null >/dev/null 2>&1 "
        script += "&& echo open $at) & done; wait"
        assert room.ann.command("sh", "-c", script).stdout == b""


def test_with_the_internet_the_far_end_is_reached() -> None:
    """The control of the test above: the same attempt where the class file allows it."""
    with (
        fresh_home() as home,
        living_in(home),
        segment(home, KIND) as ours,
        on_bench(KIND, ours.order(1, internet=True)) as machine,
        internet() as far,
        far() as listener,
    ):
        come(machine, FAR, listener.getsockname()[1])
        assert came(listener, PATIENCE)
