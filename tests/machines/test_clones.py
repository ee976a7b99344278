"""Clones of booted templates, on every architecture: they keep time, run programs, differ, and
leave nothing behind however many there are."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from bench import Bench, Kind, living_in, on_bench, order_for, template_for
from consoles import keep_consoles, unexpected_words
from habitat import Home, fresh_home

from orchestrator.arch import ARCHITECTURES
from orchestrator.drivers.model import Order, Template

pytestmark = pytest.mark.real

IN_A_ROW = int(os.environ.get("ISOLAB_CLONES_IN_A_ROW", "20"))
"""Clones of the endurance test; the project's own goal is 500."""


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


def clone_order(home: Home, arch: str, **keys: object) -> Order:
    order = order_for(Kind("qemu", arch), home, name="clone", keys=keys)
    template = template_for(order)
    assert isinstance(template, Template), f"{arch} cannot be cloned: {template}"
    return replace(order, template=template)


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def clone(home: Home, request: pytest.FixtureRequest) -> Iterator[Bench]:
    order = clone_order(home, request.param)
    with on_bench(Kind("qemu", request.param), order) as bench:
        yield bench


class TestEveryArchitecture:
    def test_it_is_a_clone(self, clone: Bench) -> None:
        assert clone.live.handle.data["start"] == "clone"

    def test_its_timers_run(self, clone: Bench) -> None:
        done = clone.run("/bin/sleep", "1", timeout=30)
        assert (done.exit_code, done.killed_for) == (0, "")
        assert done.seconds >= 1.0

    def test_its_clock_is_right(self, clone: Bench) -> None:
        before = time.time()
        inside = int(clone.command("date", "+%s").stdout)
        assert before - 5 <= inside <= time.time() + 5

    def test_its_qemu_warns_of_nothing_unexpected(self, clone: Bench) -> None:
        """Such as options that the next release takes away."""
        assert unexpected_words((clone.order.logs / "qemu.log").read_text()) == []

    def test_it_runs_compiled_programs_of_its_architecture(self, clone: Bench) -> None:
        assert clone.live.facts.machine in clone.order.arch.uname

    def test_it_has_its_own_name(self, clone: Bench) -> None:
        assert clone.command("hostname").stdout.strip() == b"clone"


def test_a_clone_lives_where_qemu_writes_into_its_memory(home: Home) -> None:
    """pseries puts a device tree at the end of a clone's memory, where its kernel had data: with a gibibyte
    that killed every one, with less now and then. And it is the one machine with pages of 64 KiB, on which
    the lessons about capacity rest: with another kernel they would be gone without a word."""
    order = clone_order(home, "ppc64el", memory="1GiB")
    with on_bench(Kind("qemu", "ppc64el"), order) as bench:
        assert bench.live.facts.platform["page_size"] == 64 * 2**10
        assert bench.run("/bin/sleep", "1", timeout=30).exit_code == 0


def test_too_large_to_be_cloned(home: Home) -> None:
    large = order_for(Kind("qemu", "ppc64el"), home, keys={"memory": "4GiB"})
    assert template_for(large) == "QEMU writes into the memory of a ppc64el clone that has more than 2048 MiB"


@pytest.mark.rotated
def test_many_clones_in_a_row_leave_nothing_and_share_nothing() -> None:
    nonces, before, threads = set(), 0, threading.active_count()
    with fresh_home() as home, living_in(home):
        first = clone_order(home, "arm64")
        for number in range(IN_A_ROW):
            name = f"row-{number}"
            order = replace(first, name=name, scratch=first.scratch.parent / name, logs=first.logs / name)
            with on_bench(Kind("qemu", "arm64"), order) as bench:
                nonces.add(bench.command("cat", "/run/isolab-nonce").stdout)
            if number == 4:  # caches of this process are filled by now
                before = _resident_kib()
        assert home.settled() == []
    assert len(nonces) == IN_A_ROW
    assert threading.active_count() < threads + 10
    assert _resident_kib() - before < 20 * 1024 + 40 * IN_A_ROW


def _resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
