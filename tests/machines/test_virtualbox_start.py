"""VirtualBox machines that run, by its own interpreter: as far as the boot loader, found, and ended.

Further would take the interpreter too long: guests that boot to SSH need the kernel driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Kind, console_of, living_in, order_for
from consoles import keep_consoles
from habitat import Home, fresh_home
from vboxhome import virtualbox

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import Handle, Order
from orchestrator.drivers.virtualbox import vboxmanage
from orchestrator.drivers.virtualbox import vm as vboxmachine
from orchestrator.drivers.virtualbox.driver import DRIVER
from orchestrator.errors import Interrupted, TimedOut
from orchestrator.host import process_table
from orchestrator.host.console_log import Console
from orchestrator.labfile.models import Machine
from orchestrator.machines.journal import Journal
from orchestrator.paths import scratch_dir
from orchestrator.progress import SilentProgress
from orchestrator.run.gc import reclaim

pytestmark = pytest.mark.real

SECONDS = 900.0


class StopsAtTheLoader(SilentProgress):
    """A user who has seen enough once the boot loader speaks."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def doing(self, who: str, what: str, expected: float | None = None) -> None:
        if "ISOLINUX" in what:
            self._deadline.cancellation.cancel()


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as found, living_in(found), virtualbox(found, interpreting=True):
        keep_consoles(request.session, found.root)
        yield found
        for folder in [path for path in found.own.iterdir() if path.is_dir()]:
            folder.rmdir()  # of runs; whoever runs a lab removes them, and they must be empty


def ordered(home: Home, name: str) -> tuple[Order, Handle]:
    order = order_for(Kind("virtualbox", "amd64"), home, name=name)
    return order, DRIVER.prepare(order)


def assert_gone(order: Order) -> None:
    soon = Deadline.after(SECONDS)
    assert (vboxmanage.machines(soon), vboxmanage.media(soon)) == ([], [])
    assert not order.scratch.exists()
    assert (
        list(process_table.find(lambda pid: str(order.scratch) in " ".join(process_table.arguments(pid))))
        == []
    )


def test_virtualbox_is_taken_for_complete(home: Home) -> None:
    order, _ = ordered(home, "asked")
    DRIVER.check(Machine(driver="virtualbox"), order.arch)


def test_a_boot_can_be_interrupted_and_leaves_nothing(home: Home) -> None:
    order, handle = ordered(home, "stopped")
    deadline = Deadline.after(SECONDS)
    with pytest.raises(Interrupted):
        DRIVER.up(order, handle, deadline, StopsAtTheLoader(deadline))
    assert "ISOLINUX" in console_of(order).read_text()
    assert (order.logs / "VBox.log").stat().st_size > 0
    assert_gone(order)


def test_a_running_machine_is_found_and_removed_without_the_journal(home: Home) -> None:
    order, handle = ordered(home, "lost")
    soon = Deadline.after(SECONDS)
    vboxmachine.define(order, handle, soon, SilentProgress())
    vboxmanage.ask(["startvm", handle.data["uuid"], "--type", "headless"], soon)
    poll(lambda: "ISOLINUX" in Console(console_of(order)).tail(), soon, "the boot loader", interval=0.2)
    (found,) = DRIVER.leftovers(scratch_dir())
    assert (found.run, found.machine) == (order.run, "lost")
    assert [text for text in reclaim(Journal()) if "virtualbox machine lost" in text]
    assert_gone(order)


def test_a_machine_that_is_late_leaves_nothing(home: Home) -> None:
    order, handle = ordered(home, "late")
    with pytest.raises(TimedOut):
        DRIVER.up(order, handle, Deadline.after(20), SilentProgress())
    assert_gone(order)


def test_files_of_a_running_machine_are_bounded(home: Home) -> None:
    order, handle = ordered(home, "bounded")
    soon = Deadline.after(SECONDS)
    vboxmachine.define(order, handle, soon, SilentProgress())
    vboxmanage.ask(["startvm", handle.data["uuid"], "--type", "headless"], soon)
    try:
        vboxmachine._limit(handle, soon)
        (pid,) = vboxmachine._processes(handle)
        limits = Path(f"/proc/{pid}/limits").read_text()
        (line,) = [text for text in limits.splitlines() if text.startswith("Max file size")]
        assert line.split()[3:5] == [str(vboxmachine.GROWTH)] * 2
    finally:
        DRIVER.down(handle)
    assert_gone(order)
