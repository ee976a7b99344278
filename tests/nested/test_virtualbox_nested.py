"""VirtualBox for real, on any host: in an emulated outer guest that has its kernel driver, machines
start; and by hand, for QEMU's emulation does not always last that long: the driver keeps its
contract, and networks join who is on them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import PurePath

import pytest
from bench import VIRTUALBOX, living_in, order_for
from consoles import keep_consoles
from habitat import fresh_home
from inner import CONTRACT, Case, run_inside
from outer import BY_THE_HOST, Outer, outer_guest
from system import VIRTUALBOX as SYSTEM
from vboxhome import SETTINGS

from orchestrator.arch import host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.virtualbox import vm as vboxmachine
from orchestrator.errors import LabError
from orchestrator.host import cache
from orchestrator.host.packages import XORRISO
from orchestrator.machines import host_packages
from orchestrator.progress import Silent

pytestmark = [
    pytest.mark.nested,
    pytest.mark.skipif(
        host_arch().name != "amd64", reason="only an amd64 host can put the outer guest's Debian together"
    ),
]

SECONDS = float(os.environ.get("ISOLAB_NESTED_SECONDS", "1800"))
"""How long the tests inside may take, by the host's clock; minutes when it has little else to do."""
RUNNING = "tests/machines/test_virtualbox_running.py"
NETWORKS = "tests/machines/test_virtualbox_networks.py"
START = (
    f"{RUNNING}::test_nested_paging_is_given_up_only_where_it_is_of_no_use",
    f"{RUNNING}::test_its_ssh_server_is_reached_from_the_host_alone",
)
"""Both about one machine, which is brought up for them, and gone without a trace afterwards."""
START_SECONDS, OUTER_GUESTS = 420.0, 3
_TOLD = "VBoxInternal/TM/TSCMode=RealTSCOffset"
"""The emulated processor does not say that its time stamp counter is constant, though it is: VirtualBox
would take four of five exits for nothing but to read it."""


@contextlib.contextmanager
def virtualbox_guest(session: pytest.Session) -> Iterator[Outer]:
    """An outer guest with VirtualBox and its kernel driver."""
    host_packages.ensure([XORRISO], Silent(), Deadline.after(900))
    with fresh_home() as home, living_in(home):
        keep_consoles(session, home.root)
        disk = vboxmachine.boot_disk(order_for(VIRTUALBOX, home), Deadline.after(900))
        made = [disk, disk.parent / cache.META]
        with outer_guest(SYSTEM, home, arch=BY_THE_HOST, cpus=2, made=made) as guest:
            yield guest


@pytest.mark.whole("in an emulation of SVM that loses a guest now and then, it takes up to twenty minutes")
def test_a_machine_starts_and_goes_without_a_trace(request: pytest.FixtureRequest) -> None:
    """In one of three outer guests: QEMU's emulation of SVM loses one now and then (docs/providers)."""
    troubles = []
    for _ in range(OUTER_GUESTS):
        try:
            with virtualbox_guest(request.session) as outer:
                assert_driver(outer)
                found, words = run_inside(outer, START_SECONDS, *START, env={SETTINGS: _TOLD})
        except (AssertionError, LabError) as problem:
            troubles.append(str(problem))
            print(f"outer guest {len(troubles)}: {problem}")
            continue
        print(words)
        bad = [case.trouble for case in found if case.trouble]
        if len(found) == len(START) and not bad:
            return
        troubles += bad or [words]
    raise AssertionError("\n\n".join(troubles))


def assert_driver(outer: Outer) -> None:
    assert "svm" in outer.say("cat", "/proc/cpuinfo").split()
    assert outer.say("stat", "-c", "%F", "/dev/vboxdrv").strip() == "character special file"
    said = outer.say("VBoxManage", "--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", said.strip()), said  # a warning, were the driver missing


@pytest.fixture(scope="module")
def outer(request: pytest.FixtureRequest) -> Iterator[Outer]:
    with virtualbox_guest(request.session) as guest:
        yield guest


@pytest.fixture(scope="module")
def answers(outer: Outer) -> tuple[list[Case], str]:
    """What became of all tests in the outer guest, and what pytest said: one run of it for all."""
    files = (CONTRACT, RUNNING, NETWORKS)
    return run_inside(outer, SECONDS, *files, "-rP", "-k", VIRTUALBOX.driver, env={SETTINGS: _TOLD})


@pytest.mark.by_hand
@pytest.mark.parametrize("file", [CONTRACT, RUNNING, NETWORKS], ids=lambda file: PurePath(file).stem)
def test_it_holds_where_virtualbox_has_its_kernel_driver(
    answers: tuple[list[Case], str], file: str, subtests: pytest.Subtests
) -> None:
    found, words = answers
    print(words)
    asked = [case for case in found if case.module == PurePath(file).stem]
    assert len(asked) >= (35 if file == CONTRACT else 5), "there are more tests than these"
    for case in asked:
        with subtests.test(case.name):
            assert not case.trouble, case.trouble
