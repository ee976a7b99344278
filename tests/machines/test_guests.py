"""What guests promise beyond every driver's contract: their keys, their network, their secrets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import HOST, Bench, Kind, console_of, image_of, living_in, on_bench, order_for, template_for
from consoles import keep_consoles
from habitat import Home, fresh_home, wait_until

from orchestrator import drivers, images
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.guest.identity import make_keys
from orchestrator.drivers.guest.layout import loopback_address
from orchestrator.drivers.qemu.driver import forwarded_port
from orchestrator.drivers.qemu.emulator import LINE
from orchestrator.drivers.qemu.qmp import human_command
from orchestrator.errors import BootError, Interrupted, LabError, TransportError
from orchestrator.host.unix_socket import first_line
from orchestrator.labfile.models import DriverName
from orchestrator.progress import SilentProgress
from orchestrator.transport.ssh import Address, connected

pytestmark = pytest.mark.real

GUEST = Kind("qemu", "amd64")


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


@pytest.fixture(scope="module", params=["cold", "clone"])
def twins(home: Home, request: pytest.FixtureRequest) -> Iterator[tuple[Bench, Bench]]:
    """Two guests of one image, both alive: each booted, or both cloned from one template."""
    orders = [order_for(GUEST, home, name=name) for name in ("castor", "pollux")]
    if request.param == "clone":
        template = template_for(orders[0])
        if isinstance(template, str):
            pytest.skip(f"this QEMU's clones are not used: {template}")
        orders = [replace(order, template=template) for order in orders]
    with on_bench(GUEST, orders[0]) as first, on_bench(GUEST, orders[1]) as second:
        yield first, second


def _address(guest: Bench) -> Address:
    folder = Path(guest.live.handle.scratch)
    usernet = human_command(folder / "qmp.sock", "info usernet", Deadline.after(60))
    return Address(
        host="127.0.0.1",
        port=forwarded_port(usernet),
        user="root",
        client_key=folder / "client_key",
        host_key=(folder / "host_key.pub").read_bytes(),
    )


class TestIdentity:
    @pytest.mark.parametrize(
        "secret",
        [
            ("cat", "/proc/sys/kernel/random/boot_id"),
            ("head", "-c", "32", "/dev/urandom"),
            ("cat", "/etc/dropbear/host_key"),
            ("cat", "/root/.ssh/authorized_keys"),
        ],
        ids=["boot id", "random bytes", "host key", "client key"],
    )
    def test_twins_share_no_secret(self, twins: tuple[Bench, Bench], secret: tuple[str, ...]) -> None:
        first, second = (guest.command(*secret).stdout for guest in twins)
        assert len(first) >= 32
        assert first != second

    def test_both_came_up_the_same_way(self, twins: tuple[Bench, Bench], request: Any) -> None:
        wanted = request.node.callspec.params["twins"]
        assert [guest.live.handle.data["start"] for guest in twins] == [wanted, wanted]

    def test_each_has_its_own_name(self, twins: tuple[Bench, Bench]) -> None:
        names = [guest.command("hostname").stdout for guest in twins]
        assert names == [b"castor\n", b"pollux\n"]

    def test_a_student_cannot_read_the_host_key(self, twins: tuple[Bench, Bench]) -> None:
        ending = twins[0].run("/bin/cat", "/etc/dropbear/host_key")
        assert "Permission denied" in ending.stderr


class TestSsh:
    def test_the_right_keys_get_in(self, twins: tuple[Bench, Bench]) -> None:
        with connected(_address(twins[0]), "castor", Deadline.after(60)) as transport:
            assert transport.run(["hostname"], deadline=Deadline.after(60)).stdout == b"castor\n"

    def test_another_host_key_is_refused(self, twins: tuple[Bench, Bench]) -> None:
        address = replace(_address(twins[0]), host_key=make_keys().host_public)
        with (
            pytest.raises(TransportError, match="host key is not the one isolab gave it"),
            connected(address, "castor", Deadline.after(60)),
        ):
            pytest.fail("connected to a machine with another host key")

    def test_the_key_of_another_machine_does_not_get_in(self, twins: tuple[Bench, Bench]) -> None:
        address = replace(_address(twins[0]), client_key=_address(twins[1]).client_key)
        with (
            pytest.raises(TransportError, match="handshake failed"),
            connected(address, "castor", Deadline.after(60)),
        ):
            pytest.fail("connected with another machine's key")

    def test_it_listens_on_loopback_only(self, twins: tuple[Bench, Bench]) -> None:
        port = f":{_address(twins[0]).port:04X}"
        tables = [Path(f"/proc/net/{name}").read_text().splitlines() for name in ("tcp", "tcp6")]
        local = [line.split()[1] for table in tables for line in table[1:] if line.split()[3] == "0A"]
        assert [place for place in local if place.endswith(port)] == [f"0100007F{port}"]


class TestTheFirstConnection:
    """It comes over a line of its own; its server was started ahead, and is spared some things."""

    def test_later_ones_come_over_the_network(self, twins: tuple[Bench, Bench]) -> None:
        ask = ["sh", "-c", "echo $SSH_CONNECTION"]
        assert twins[0].command(*ask).stdout.startswith(b"127.0.0.1 ")
        with connected(_address(twins[0]), "castor", Deadline.after(60)) as later:
            assert later.run(ask, deadline=Deadline.after(60)).stdout.startswith(b"10.0.2.2 ")

    @pytest.mark.parametrize("user", ["student", "other"])
    def test_it_is_for_every_user(self, home: Home, user: str) -> None:
        with (
            _on_the_line(home) as (line, address),
            connected(replace(address, user=user), "line", Deadline.after(60), line) as transport,
        ):
            said = transport.run(["sh", "-c", "id -un; id -G; pwd"], deadline=Deadline.after(60)).stdout
        number = {"student": "1000", "other": "1001"}[user]
        assert said.decode().split() == [user, number, f"/home/{user}"]

    def test_another_machines_key_does_not_get_in(self, home: Home, twins: tuple[Bench, Bench]) -> None:
        with _on_the_line(home) as (line, address):
            stranger = replace(address, client_key=_address(twins[0]).client_key)
            with (
                pytest.raises(TransportError, match="handshake failed"),
                connected(stranger, "line", Deadline.after(60), line),
            ):
                pytest.fail("connected with another machine's key")

    def test_nobody_gets_in_whom_the_machine_does_not_know(self, home: Home) -> None:
        with _on_the_line(home) as (line, address):
            nobody = replace(address, user="nobody")
            with (
                pytest.raises(TransportError, match="handshake failed"),
                connected(nobody, "line", Deadline.after(60), line),
            ):
                pytest.fail("connected as a user that is not there")


@contextmanager
def _on_the_line(home: Home) -> Iterator[tuple[socket.socket, Address]]:
    """A guest that is up and that nobody has connected to: its line, and what to show there."""
    order, driver = order_for(GUEST, home, name="line"), drivers.load("qemu")
    template = template_for(order)
    order = order if isinstance(template, str) else replace(order, template=template)
    handle = driver.prepare(order)
    try:
        driver.up(order, handle, Deadline.after(300), SilentProgress())
        line = first_line(Path(handle.scratch) / LINE, Deadline.after(60))
        assert line is not None
        yield line, loopback_address(Path(handle.scratch), 0)
    finally:
        driver.down(handle)
        order.scratch.parent.rmdir()


class TestNetwork:
    @pytest.mark.parametrize("gateway", ["10.0.2.2", "10.0.2.3"])
    def test_the_host_cannot_be_reached(self, twins: tuple[Bench, Bench], gateway: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
            done = twins[0].command("nc", "-w", "2", gateway, port)
            listener.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listener.accept()
        assert done.code != 0

    def test_nc_would_have_told(self, twins: tuple[Bench, Bench]) -> None:
        """The control of the test above: the same command reaches what can be reached. The machine's own SSH
        server does not answer from within."""
        listen = "echo here | nc -l -p 7700 >/dev/null &"
        connect = "nc -w 60 10.0.2.15 7700 </dev/null"
        script = f"{listen} until {connect}; do sleep 0.1; done"
        assert twins[0].command("sh", "-c", script).stdout == b"here\n"

    def test_nor_can_a_container_reach_it(self, home: Home) -> None:
        kind = Kind("container", HOST)
        with socket.create_server(("127.0.0.1", 0)) as listener, on_bench(kind, order_for(kind, home)) as box:
            port = str(listener.getsockname()[1])
            assert box.command("nc", "-w", "2", "127.0.0.1", port).code != 0


class TestUpThatFails:
    def test_too_little_time(self, home: Home) -> None:
        order = order_for(GUEST, home, name="late", boot_timeout=1.0)
        with pytest.raises(BootError) as caught, on_bench(GUEST, order):
            pytest.fail("it came up in a second")
        assert caught.value.message.startswith("late: not up after 1 s")
        assert str(console_of(order)) in caught.value.hint
        assert not order.scratch.exists()

    def test_a_damaged_initrd(self, home: Home, tmp_path: Path) -> None:
        whole = image_of("amd64")
        tmp_path.joinpath("kernel").symlink_to(whole.kernel)
        tmp_path.joinpath("initrd").write_bytes(whole.initrd.read_bytes()[:2000])
        for folder in [tmp_path, *tmp_path.parents][:3]:
            folder.chmod(0o755)
        order = order_for(GUEST, home, name="torn", image=replace(whole, folder=tmp_path))
        with pytest.raises(BootError, match="torn: the guest's kernel panicked"), on_bench(GUEST, order):
            pytest.fail("it came up without its initrd")
        assert not order.scratch.exists()

    @pytest.mark.parametrize("driver", ["process", "sandbox", "container", "qemu"])
    def test_without_an_image(self, home: Home, tmp_path: Path, driver: DriverName) -> None:
        kind = Kind(driver, HOST)
        nothing = images.Image("micro", HOST, "micro-none-0", tmp_path)
        order = order_for(kind, home, image=nothing)
        with pytest.raises((LabError, OSError)), on_bench(kind, order):
            pytest.fail("it came up out of nothing")
        assert not order.scratch.exists()

    def test_an_interruption(self, home: Home) -> None:
        order = order_for(GUEST, home, name="stopped")
        cancellation = Cancellation()

        def stop() -> None:
            wait_until(console_of(order).exists, "the guest to boot")
            cancellation.cancel()

        stopping = threading.Thread(target=stop)
        stopping.start()
        with pytest.raises(Interrupted), on_bench(GUEST, order, cancellation):
            pytest.fail("it came up although it was to stop")
        stopping.join()
        assert not order.scratch.exists()
