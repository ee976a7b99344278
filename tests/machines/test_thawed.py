"""Thawed machines, on every architecture: they keep time, run programs, differ, are as confined as other
emulators, and leave nothing behind however many there are; what cannot be thawed is cloned."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench, Kind, console_of, living_in, machine_context, on_bench, order_for, ready_to_thaw
from consoles import keep_consoles, unexpected_words
from habitat import Home, fresh_home

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import Handle, Order
from orchestrator.drivers.qemu import emulator
from orchestrator.drivers.qemu.driver import DRIVER
from orchestrator.drivers.qemu.thaw import parts
from orchestrator.errors import BootError
from orchestrator.host import cache, process_table
from orchestrator.machines.trial import journalled
from orchestrator.paths import scratch_dir
from orchestrator.progress import SilentProgress

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        host_arch().name not in parts.HOSTS, reason="not written for hosts of this architecture"
    ),
]

IN_A_ROW = int(os.environ.get("ISOLAB_THAWED_IN_A_ROW", "5"))
"""Thawed machines of the endurance test; the project's own goal is 2,000."""
AT_ONCE = int(os.environ.get("ISOLAB_THAWED_AT_ONCE", "4"))
STANDS_FOR_ALL = "arm64"


class Told(SilentProgress):
    """What was told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def tell(self, text: str) -> None:
        self.words.append(text)


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


def frozen_order(home: Home, arch: str, name: str = "thawed") -> Order:
    return ready_to_thaw(order_for(Kind("qemu", arch), home, name=name))


@contextlib.contextmanager
def kept_in_the_journal(order: Order) -> Iterator[tuple[Order, Handle]]:
    """A machine's order and handle, for who brings it up; nothing of it is left."""
    with journalled(order, "up", DRIVER, machine_context()) as found:
        yield found
    order.scratch.parent.rmdir()


def named(order: Order, name: str) -> Order:
    return replace(order, name=name, scratch=order.scratch.parent / name, logs=order.logs / name)


def _marked(arch: str) -> object:
    whole = pytest.mark.whole("each has an emulator to freeze and to test")
    return arch if arch == STANDS_FOR_ALL else pytest.param(arch, marks=whole)


@pytest.fixture(scope="module", params=map(_marked, ARCHITECTURES))
def thawed(home: Home, request: pytest.FixtureRequest) -> Iterator[Bench]:
    arch: str = request.param
    with on_bench(Kind("qemu", arch), frozen_order(home, arch)) as bench:
        yield bench


def process_of(bench: Bench) -> int:
    return emulator.process_of(bench.live.handle)


class TestEveryArchitecture:
    def test_it_is_thawed(self, thawed: Bench) -> None:
        assert thawed.live.handle.data["start"] == "thaw"

    def test_its_timers_run(self, thawed: Bench) -> None:
        done = thawed.run("/bin/sleep", "1", timeout=30)
        assert (done.exit_code, done.killed_for) == (0, "")
        assert done.seconds >= 1.0

    def test_its_name_and_address_space_are_its_own(self, thawed: Bench) -> None:
        assert thawed.command("hostname").stdout.strip() == b"thawed"
        assert thawed.command("cat", "/proc/sys/kernel/randomize_va_space").stdout.strip() == b"2"

    def test_a_students_programs_are_at_other_addresses_each_time(self, thawed: Bench) -> None:
        # Of 32 bits few are random: two of them may be equal by chance.
        stacks = {thawed.run("/bin/grep", "stack", "/proc/self/maps").stdout for _ in range(5)}
        assert len(stacks) > 1

    def test_nothing_of_its_rehearsals_is_left(self, thawed: Bench) -> None:
        # It speaks once the first connection is over the worst, and ends.
        poll(lambda: not thawed.processes_with("rehearse"), Deadline.after(120), "the end of the rehearsal")
        assert "listening for SSH" in console_of(thawed.order).read_text()
        assert thawed.shell("ls /work /usr/lib/isolab | grep -c rehears").stdout.strip() == "0"

    def test_it_has_one_server_for_its_one_connection(self, thawed: Bench) -> None:
        servers = thawed.command("sh", "-c", "pidof dropbear | wc -w").stdout
        assert servers.strip() == b"1"

    def test_it_answers_over_its_network_as_well(self, thawed: Bench) -> None:
        with thawed.driver.connect(thawed.live.handle, Deadline.after(60)) as second:
            assert second.run(["hostname"], deadline=Deadline.after(60)).stdout.strip() == b"thawed"

    def test_its_emulator_is_as_confined_as_any(self, thawed: Bench) -> None:
        """In every thread: nobody, without new privileges, with QEMU's filter."""
        for task in Path(f"/proc/{process_of(thawed)}/task").iterdir():
            try:
                text = (task / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # a thread for input and output, which ended meanwhile
            lines = dict(line.split(":\t", 1) for line in text.splitlines())
            assert lines["Uid"].split() == [str(emulator.UNPRIVILEGED)] * 4
            assert lines["Groups"].split() == []
            assert int(lines["CapEff"], 16) == 0
            assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")

    def test_no_descriptor_of_its_emulator_can_change_what_is_shared(self, thawed: Bench) -> None:
        shared = (str(thawed.order.template and thawed.order.template.folder), str(cache.place("frozen", "")))
        for entry in Path(f"/proc/{process_of(thawed)}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if not os.readlink(entry).startswith(shared):  # noqa: PTH115
                    continue
                about = Path(f"/proc/{process_of(thawed)}/fdinfo/{entry.name}").read_text()
                assert int(about.split("flags:")[1].split()[0], 8) & os.O_ACCMODE == os.O_RDONLY

    def test_it_is_found_like_any_other(self, thawed: Bench) -> None:
        handle = thawed.live.handle
        assert (handle.run, handle.machine) in list(emulator.running(scratch_dir()))
        assert DRIVER.memory(handle) > 0

    def test_its_emulator_says_nothing_unexpected(self, thawed: Bench) -> None:
        assert unexpected_words((thawed.order.logs / "qemu.log").read_text()) == []

    def test_it_runs_programs_of_its_architecture(self, thawed: Bench) -> None:
        assert thawed.live.facts.machine in thawed.order.arch.uname


def test_many_in_a_row_leave_nothing_and_share_nothing() -> None:
    nonces, threads = set(), threading.active_count()
    with fresh_home() as home, living_in(home):
        first = frozen_order(home, STANDS_FOR_ALL)
        for number in range(IN_A_ROW):
            with on_bench(Kind("qemu", STANDS_FOR_ALL), named(first, f"row-{number}")) as bench:
                assert bench.live.handle.data["start"] == "thaw"
                nonces.add(bench.command("cat", "/run/isolab-nonce").stdout)
        assert home.settled() == []
    assert len(nonces) == IN_A_ROW
    assert threading.active_count() < threads + 10


def test_many_at_once(home: Home) -> None:
    first = frozen_order(home, STANDS_FOR_ALL)
    with contextlib.ExitStack() as stack:
        kind = Kind("qemu", STANDS_FOR_ALL)
        benches = [stack.enter_context(on_bench(kind, named(first, f"many-{n}"))) for n in range(AT_ONCE)]
        random = {bench.command("head", "-c", "16", "/dev/urandom").stdout for bench in benches}
        assert len(random) == AT_ONCE
        assert {bench.live.handle.data["start"] for bench in benches} == {"thaw"}
        process_table.end(process_of(benches[0]), patience=0)
        for bench in benches[1:]:
            assert bench.command("true").code == 0


class TestDamaged:
    """A copy of a frozen emulator, in the place of the one that is whole."""

    def up(self, home: Home, tmp_path: Path, at: int) -> tuple[str, list[str]]:
        order = frozen_order(home, STANDS_FOR_ALL)
        assert order.frozen is not None
        folder = tmp_path / "frozen"
        shutil.copytree(order.frozen.folder, folder)
        with (folder / "emulator").open("r+b") as file:
            file.seek(at)
            file.write(b"\xff" * 8)
        broken = named(replace(order, frozen=replace(order.frozen, folder=folder)), "broken")
        told = Told()
        with kept_in_the_journal(broken) as (fixed, handle):
            risen = DRIVER.up(fixed, handle, Deadline.after(120), told)
            with DRIVER.connect(risen, Deadline.after(60)) as transport:
                assert transport.run(["true"], deadline=Deadline.after(60)).code == 0
        return risen.data["start"], told.words

    def test_one_is_refused_and_the_machine_is_a_clone(self, home: Home, tmp_path: Path) -> None:
        start, told = self.up(home, tmp_path, 200)
        assert start == "clone"
        assert "the frozen emulator did not thaw, cloning instead" in told[0]
        assert "its table is damaged" in told[0]


def test_an_emulator_that_stands_still_can_be_ended(home: Home) -> None:
    """As after a kill -9 of whoever was about to write it down: by what the journal has of it."""
    order = frozen_order(home, STANDS_FOR_ALL)
    with kept_in_the_journal(named(order, "still")) as (fixed, handle):
        DRIVER.up(fixed, handle, Deadline.after(120), SilentProgress())
        os.kill(emulator.process_of(handle), 19)  # SIGSTOP, as standstill.c ends
        DRIVER.down(handle)
        with pytest.raises(BootError):
            emulator.process_of(handle)


@pytest.mark.whole("its emulator is frozen for it alone")
def test_more_than_one_processor(home: Home) -> None:
    """Each has a thread of its own in the emulator (MTTCG)."""
    order = ready_to_thaw(order_for(Kind("qemu", STANDS_FOR_ALL), home, name="two", keys={"cpus": 2}))
    with on_bench(Kind("qemu", STANDS_FOR_ALL), order) as bench:
        assert bench.live.handle.data["start"] == "thaw"
        assert bench.command("nproc").stdout.strip() == b"2"
        both = "for n in 1 2; do (i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done) & done; wait"
        assert bench.command("sh", "-c", both).code == 0
