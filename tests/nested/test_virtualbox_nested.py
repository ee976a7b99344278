"""VirtualBox for real, on any host: in an emulated outer guest that has its kernel driver, machines
start, and the driver keeps its contract."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from bench import VIRTUALBOX, living_in, order_for
from conftest import keep_consoles
from habitat import fresh_home
from inner import CONTRACT, run_inside, selection
from outer import Outer, outer_guest
from system import VIRTUALBOX as SYSTEM

from orchestrator import packages
from orchestrator.arch import host_arch
from orchestrator.deadline import Deadline
from orchestrator.images import cache
from orchestrator.progress import Silent
from orchestrator.virtualbox import machine as vboxmachine

pytestmark = [pytest.mark.nested, pytest.mark.by_hand]

SECONDS = float(os.environ.get("ISOLAB_NESTED_SECONDS", "1200"))
"""How long the tests inside may take, by the host's clock."""
RUNNING = "tests/real/test_virtualbox_running.py"


@pytest.fixture(scope="module")
def outer(request: pytest.FixtureRequest) -> Iterator[Outer]:
    if host_arch().name != "amd64":
        pytest.skip("only an amd64 host can put the outer guest's Debian together")
    packages.ensure([packages.XORRISO], Silent(), Deadline.after(900))
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        disk = vboxmachine.boot_disk(order_for(VIRTUALBOX, home), Deadline.after(900))
        with outer_guest(SYSTEM, home, made=[disk, disk.parent / cache.META]) as guest:
            yield guest


def test_virtualbox_has_its_kernel_driver(outer: Outer) -> None:
    assert "svm" in outer.say("cat", "/proc/cpuinfo").split()
    assert outer.say("stat", "-c", "%F", "/dev/vboxdrv").strip() == "character special file"
    said = outer.say("VBoxManage", "--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", said.strip()), said  # a warning, were the driver missing


@pytest.mark.parametrize(
    "tests", [(CONTRACT, "-k", selection(VIRTUALBOX)), (RUNNING,)], ids=["contract", "running"]
)
def test_machines_run(outer: Outer, tests: tuple[str, ...], subtests: pytest.Subtests) -> None:
    found, words = run_inside(outer, SECONDS, *tests)
    print(words)
    assert re.search(r"\b\d+ passed\b", words)
    for case in found:
        with subtests.test(case.name):
            assert not case.trouble, case.trouble
