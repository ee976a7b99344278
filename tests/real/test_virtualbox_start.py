"""VirtualBox machines that run: from the boot loader to SSH, with VirtualBox's own interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import Bench, Kind, living_in, on_bench, order_for
from conftest import keep_consoles
from habitat import fresh_home
from vboxhome import virtualbox

from orchestrator import vboxmanage
from orchestrator.deadline import Deadline

pytestmark = pytest.mark.real

BOOT_SECONDS = 3600.0
"""An interpreter interprets; on an idle machine it is a few minutes."""


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    kind = Kind("virtualbox", "amd64")
    with fresh_home() as home, living_in(home), virtualbox(home, interpreting=True):
        keep_consoles(request.session, home.root)
        with on_bench(kind, order_for(kind, home, name="started", boot_timeout=BOOT_SECONDS)) as found:
            yield found
        assert (vboxmanage.machines(Deadline.after(60)), vboxmanage.media(Deadline.after(60))) == ([], [])


def test_it_is_the_machine_that_was_ordered(bench: Bench) -> None:
    assert bench.command("hostname").stdout == b"started\n"
    assert bench.live.facts.machine == "x86_64"
    assert b"VirtualBox" in bench.command("cat", "/sys/class/dmi/id/product_name").stdout


def test_programs_run_in_it(bench: Bench) -> None:
    assert bench.shell("id -u; exit 3").exit_code == 3


def test_it_is_found_while_it_runs(bench: Bench) -> None:
    (found,) = bench.driver.leftovers()
    assert (found.run, found.machine) == (bench.order.run, "started")


def test_there_is_no_way_out_for_its_root(bench: Bench) -> None:
    """Neither to the host by the router's address nor to others through it."""
    bench.command("ip", "route", "add", "default", "via", "10.0.2.2")
    for address in ("10.0.2.2", "127.0.0.1", "192.0.2.1"):
        answer = bench.command("timeout", "10", "nc", "-w", "8", address, "22222")
        assert answer.code != 0
