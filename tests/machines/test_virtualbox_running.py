"""VirtualBox machines that really run, where there is its kernel driver: what they reach of the
host, how one that is silent comes up all the same, and what is left of them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from bench import VIRTUALBOX, Bench, living_in, machine_context, order_for
from consoles import keep_consoles
from habitat import fresh_home
from vboxhome import virtualbox_of

from orchestrator.deadline import Deadline
from orchestrator.drivers import load
from orchestrator.drivers.virtualbox import nested_paging, vboxmanage
from orchestrator.drivers.virtualbox import vm as vboxmachine
from orchestrator.machines.lifecycle import running_machine
from orchestrator.progress import SilentProgress

pytestmark = pytest.mark.real

SECONDS = 600.0
"""For a machine to come up, twice if need be: where VirtualBox is itself in a guest, it is slow."""
BANNER = b"from the host\n"


@dataclass
class Notes(SilentProgress):
    """Keeps what the user is told."""

    words: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        self.words.append(text)


@pytest.fixture(scope="module")
def told() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, told: Notes) -> Iterator[Bench]:
    with fresh_home() as home, living_in(home), virtualbox_of(VIRTUALBOX, home):
        keep_consoles(request.session, home.root)
        order, driver = order_for(VIRTUALBOX, home, boot_timeout=SECONDS), load("virtualbox")
        with running_machine(order, driver, machine_context(told)) as live:
            yield Bench(VIRTUALBOX, order, driver, live)
        deadline = Deadline.after(60)
        assert (vboxmanage.machines(deadline), vboxmanage.media(deadline)) == ([], [])
        assert not order.scratch.exists()


def test_nested_paging_is_given_up_only_where_it_is_of_no_use(bench: Bench, told: Notes) -> None:
    """Found out by the driver, told to the user, remembered for the next machine."""
    known = vboxmanage.about(bench.live.handle.data["uuid"], Deadline.after(60))
    given_up = known["nestedpaging"] == "off"
    assert [("without nested paging" in text) for text in told.words] == [True] * given_up
    assert nested_paging.known_useless(vboxmachine.version()) == given_up


def test_its_ssh_server_is_reached_from_the_host_alone(bench: Bench) -> None:
    for other in ("127.0.0.2", "127.1.2.3"):  # not even by the host's other addresses
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((other, bench.live.handle.data["port"]), timeout=30)


@pytest.mark.parametrize("address", ["10.0.2.2", "127.0.0.1"])
def test_it_reaches_nothing_on_the_hosts_loopback(bench: Bench, address: str) -> None:
    with listening("127.0.0.1") as port:
        seen = bench.command("nc", "-w", "10", address, str(port))
    assert BANNER not in seen.stdout


def test_what_listens_would_be_seen() -> None:
    """The control of the test above."""
    with (
        listening("127.0.0.1") as port,
        socket.create_connection(("127.0.0.1", port), timeout=30) as sock,
    ):
        assert sock.recv(64) == BANNER


@contextlib.contextmanager
def listening(address: str) -> Iterator[int]:
    """A server on this host that greets whoever comes; gives its port."""
    with socket.create_server((address, 0)) as server:

        def greet() -> None:
            with contextlib.suppress(OSError):  # the server is closed
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(BANNER)

        threading.Thread(target=greet, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
