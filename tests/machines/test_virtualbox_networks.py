"""Networks between VirtualBox machines that really run: who is reached, and who is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest
from bench import VIRTUALBOX, Bench, living_in, on_bench
from consoles import keep_consoles
from habitat import fresh_home
from joined import answers, host_addresses, knock, listening_on_host, segment, stays_silent
from vboxhome import virtualbox_of

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import Order

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Three:
    """Two machines on a network, and one at a free address of an equal network of another run."""

    one: Bench
    two: Bench
    stranger: Bench


@pytest.fixture(scope="module")
def three(request: pytest.FixtureRequest) -> Iterator[Three]:
    with (
        fresh_home() as home,
        living_in(home),
        virtualbox_of(VIRTUALBOX, home),
        contextlib.ExitStack() as stack,
    ):
        keep_consoles(request.session, home.root)
        ours, theirs = (stack.enter_context(segment(home, VIRTUALBOX)) for _ in range(2))

        def up(order: Order) -> Bench:
            return stack.enter_context(on_bench(VIRTUALBOX, order))

        with ThreadPoolExecutor() as pool:
            yield Three(*pool.map(up, [ours.order(1), ours.order(2), theirs.order(3)]))


def test_machines_of_a_network_reach_each_other_by_name(three: Three) -> None:
    """In time; where VirtualBox is itself in a guest, the first answer may come late."""
    for machine, name in ((three.one, "two"), (three.two, "one")):
        poll(partial(answers, machine, name), Deadline.after(120), name)


def test_each_has_its_own_address_and_hardware_address(three: Three) -> None:
    for machine, number in ((three.one, 1), (three.two, 2), (three.stranger, 3)):
        shown = machine.command("busybox", "ip", "address", "show", "lan0").stdout.decode()
        assert f"inet 10.77.0.{number}/24" in shown
        assert f"link/ether 02:69:0a:4d:00:0{number}" in shown


def test_an_equal_network_of_another_run_is_another_network(three: Three) -> None:
    """The test above is the control: the stranger is up, at an address of the same network."""
    assert stays_silent(three.one, "10.77.0.3")
    assert stays_silent(three.stranger, "10.77.0.1")


def test_no_route_leads_elsewhere(three: Three) -> None:
    routes = three.one.command("busybox", "ip", "route").stdout.decode()
    assert "default" not in routes
    assert "10.77.0.0/24" in routes


def test_the_host_is_not_reached(three: Three) -> None:
    with listening_on_host() as (port, reached):
        for address in ("10.0.2.2", "10.77.0.254", *host_addresses()):
            knock(three.one, address, port)
        assert not reached()
