"""KVM for real, on any host: in an emulated outer guest isolab finds a KVM that works, and the
drivers keep their contract under it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from bench import UNDER_KVM, Kind, living_in
from consoles import keep_consoles
from habitat import fresh_home
from inner import contract, of_kind
from outer import Outer, outer_guest
from system import DEBIAN

from orchestrator.arch import host_arch

# Whatever kind of machine a test in there is about, it is about one outer guest.
pytestmark = [pytest.mark.nested, pytest.mark.xdist_group("test_kvm")]

SECONDS = float(os.environ.get("ISOLAB_NESTED_SECONDS", "1800"))
"""How long the contract may take for a kind; a minute or two when the host has nothing else to do."""


@pytest.fixture(scope="module")
def outer(request: pytest.FixtureRequest) -> Iterator[Outer]:
    if host_arch().name != "amd64":
        pytest.skip("only an amd64 host can put the outer guest's Debian together")
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        with outer_guest(DEBIAN, home) as guest:
            yield guest


def test_the_outer_guest_has_virtualization_extensions(outer: Outer) -> None:
    assert "svm" in outer.say("cat", "/proc/cpuinfo").split()
    assert outer.say("stat", "-c", "%F", "/dev/kvm").strip() == "character special file"


@pytest.mark.rotated
def test_doctor_says_that_kvm_works_there(outer: Outer) -> None:
    program = "from orchestrator.cli.main import main; main()"
    answer = json.loads(outer.say("python3", "-c", program, "doctor", "--format", "json", seconds=600))
    (kvm,) = [finding for finding in answer["findings"] if finding["what"] == "KVM"]
    assert kvm == {"what": "KVM", "works": True, "detail": "a probe guest booted under KVM"}


_BESIDE_A_TIMER = """
python3 -c 'import time\nwhile True: time.sleep(0.0003)' & timer=$!
PYTHONPATH=$PYTHONPATH:tests/support python3 -c '
from bench import HOST, image_of
from orchestrator.drivers.qemu import accel
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
print(accel.probe(ARCHITECTURES[HOST], image_of(HOST), Deadline.after(300)) or "booted")'
kill $timer
"""


def test_a_guest_there_gets_each_interrupt_once(outer: Outer) -> None:
    """A timer that is due thousands of times a second is what made it likely to get one twice, and
    to deadlock on its way up (single_interrupts.py)."""
    assert outer.say("sh", "-c", _BESIDE_A_TIMER, seconds=900) == "booted\n"


@pytest.mark.rotated
@pytest.mark.parametrize("kind", UNDER_KVM, ids=str)
def test_the_driver_contract_holds_under_kvm(outer: Outer, kind: Kind, subtests: pytest.Subtests) -> None:
    found, words = contract(outer, [kind], SECONDS)
    print(words)
    asked = of_kind(kind, found)
    assert len(asked) > 30, "the contract has more tests than these"
    for case in asked:
        with subtests.test(case.name):
            assert not case.trouble, case.trouble
