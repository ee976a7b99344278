"""Benchmarks of isolab itself: how soon a machine responds and what it costs, by phase.

Measurements are comparable within one run on one host; absolute times on a shared machine mean
little. Medians of at least five. Each row is explained in docs/performance.md.
"""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator import images
from orchestrator.arch import ARCHITECTURES
from orchestrator.debian.archive import Archives
from orchestrator.drivers.model import FrozenImage, Handle, Order, Template
from orchestrator.drivers.qemu.driver import DRIVER, bring_up
from orchestrator.errors import BootError
from orchestrator.host import cache, process_table
from orchestrator.host.time_stamp_counter import khz_for
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.models import Machine, User
from orchestrator.machines import frozen_images
from orchestrator.machines.context import MachineContext
from orchestrator.machines.templates import obtain
from orchestrator.paths import scratch_dir
from orchestrator.progress import Progress, SilentProgress
from orchestrator.transport.base import InteractiveTransport
from orchestrator.transport.runner import run_program
from orchestrator.transport.runner_server import runner_server

START_SECONDS = 180.0
GAIN_MOST = ("arm64", "amd64", "riscv64", "ppc64el", "mips64el")
"""Architectures of which most of a clone's processor time is translation that thawing saves."""
THAWED = "thawed"
CROWD_TARGETS = {"clones": (10.0, 60.0), THAWED: (4.0, 10.0)}
"""Seconds to the last response of thirty, and MiB of each."""


@dataclass(frozen=True)
class BenchResult:
    """One row of the result: a value, and its target (None: no target), which it is not to exceed; with
    ``least``, to reach."""

    what: str
    value: float
    unit: str = ""
    target: float | None = None
    detail: dict[str, float] = field(default_factory=dict)
    note: str = ""
    least: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.least else self.value <= self.target


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: a folder for machines, and the journal."""

    run: str
    out: Path
    machines: MachineContext
    rounds: int

    @property
    def progress(self) -> Progress:
        return self.machines.progress

    def order(self, arch: str, name: str) -> Order:
        about = ARCHITECTURES[arch]
        deadline = self.machines.deadline(1200)
        image = images.obtain(recipes()["micro"], about, Archives(deadline), self.progress, deadline)
        return Order(
            run=self.run,
            name=name,
            machine=Machine(driver="qemu", arch=arch),
            arch=about,
            image=image,
            accel="tcg",
            scratch=scratch_dir() / self.run / name,
            logs=self.out / name,
            counter_khz=khz_for(about, "tcg"),
        )

    def template(self, order: Order) -> Template:
        """Return the template to clone. Raises BootError if such machines cannot be cloned."""
        found = obtain(order, DRIVER, self.machines)
        if isinstance(found, str):
            raise BootError(found)
        return found

    def frozen(self, cloned: Order) -> FrozenImage | str:
        """Return the frozen emulator to thaw, or why such machines cannot be thawed."""
        return frozen_images.obtain(cloned, DRIVER, self.machines)


class Phases:
    """A stopwatch: seconds by phase, in order."""

    def __init__(self) -> None:
        self._begun = self._last = time.monotonic()
        self.laps: dict[str, float] = {}
        self.processor = 0.0
        """Seconds of processor time that the emulator took."""

    def mark(self, phase: str) -> None:
        now = time.monotonic()
        self.laps[phase] = now - self._last
        self._last = now

    @property
    def total(self) -> float:
        return self._last - self._begun


@contextlib.contextmanager
def started(order: Order, lab: Bench) -> Iterator[tuple[Handle, InteractiveTransport, Phases]]:
    """Start a machine and run a first command, timed by phase; take it down afterwards."""
    handle = DRIVER.prepare(order)
    lab.machines.journal.intend(handle)
    order.logs.mkdir(parents=True, exist_ok=True)
    try:
        deadline = lab.machines.deadline(START_SECONDS)
        phases = Phases()
        bring_up(order, handle, deadline, SilentProgress(), phases.mark)
        with DRIVER.connect(handle, deadline) as transport:
            phases.mark("handshake")
            transport.run(["true"], deadline=deadline)
            phases.mark("first command")
            yield handle, transport, phases
    finally:
        DRIVER.down(handle)
        lab.machines.journal.forget(handle)


def measure_start(order: Order, lab: Bench) -> Phases:
    """Time one start, from nothing to the first response."""
    with started(order, lab) as (handle, _, phases):
        phases.processor = process_table.processor_seconds(_pid_of(handle))
        return phases


def start_rows(lab: Bench, archs: Sequence[str], stock: float | None) -> Iterator[BenchResult]:
    """Compare a clone with a cold boot of the same image, and with a stock distribution."""
    for arch in archs:
        order = lab.order(arch, f"bench-{arch}")
        lab.progress.doing("bench", f"{arch}: cloning and booting {lab.rounds} times each")
        try:
            cloned = replace(order, template=lab.template(order))
        except BootError as problem:
            yield BenchResult(
                f"{arch}: clone / cold boot", 1.0, "ratio", 1 / 8, note=f"not clonable: {problem.message}"
            )
            continue
        frozen = lab.frozen(cloned)
        ways = [order, cloned, *([] if isinstance(frozen, str) else [replace(cloned, frozen=frozen)])]
        # Alternate, and compare each clone with the boot just before it: a shared host's speed drifts.
        rounds = [[measure_start(way, lab) for way in ways] for _ in range(lab.rounds)]
        ratio = statistics.median(clone.total / cold.total for cold, clone, *_ in rounds)
        colds, clones, *others = zip(*rounds, strict=True)
        laps = _medians("cold", colds) | _medians("clone", clones)
        yield BenchResult(f"{arch}: clone / cold boot, to the first response", ratio, "ratio", 1 / 8, laps)
        if stock is not None:
            share = laps["clone s"] / stock
            yield BenchResult(f"{arch}: clone / stock distribution (amd64)", share, "ratio", 1 / 40)
        if isinstance(frozen, str):
            note = f"not thawed: {frozen}"
            yield BenchResult(f"{arch}: thawed / clone, processor time", 1.0, "ratio", 1 / 2, note=note)
        else:
            yield from thawed_rows(arch, colds, clones, others[0], cache.meta(frozen.folder))


def thawed_rows(
    arch: str,
    colds: Sequence[Phases],
    clones: Sequence[Phases],
    thawed: Sequence[Phases],
    about: Mapping[str, Any],
) -> Iterator[BenchResult]:
    """Compare thawed machines with clones and boots that were started in turn with them; ``about`` are the
    facts of their image. Pure."""
    spent = [statistics.median(start.processor for start in some) for some in (clones, thawed)]
    target = 1 / 3 if arch in GAIN_MOST else 1 / 2
    detail = {"clone processor s": spent[0], "thaw processor s": spent[1], **_medians("thaw", thawed)}
    words = f"{arch}: thawed / clone, the emulator's processor time to the first response"
    yield BenchResult(words, spent[1] / spent[0] if spent[0] else 1.0, "ratio", target, detail)
    ratio = statistics.median(one.total / cold.total for cold, one in zip(colds, thawed, strict=True))
    yield BenchResult(f"{arch}: thawed / cold boot, to the first response", ratio, "ratio", 1 / 25)
    yield BenchResult(f"{arch}: a frozen emulator on disk", about["stored"] / 2**20, "MiB", 200.0)
    yield BenchResult(f"{arch}: freezing an emulator", about["freeze_seconds"], "s")


def _medians(what: str, starts: Sequence[Phases]) -> dict[str, float]:
    """Return the median of each phase and of the total, in seconds; they need not add up."""
    laps = {f"{what} s": statistics.median(start.total for start in starts)}
    for phase in starts[0].laps:
        laps[f"{what} {phase} s"] = statistics.median(start.laps[phase] for start in starts)
    return {name: round(value, 4) for name, value in laps.items()}


def crowd_rows(lab: Bench, arch: str, number: int, what: str = "clones") -> Iterator[BenchResult]:
    """Start many ``clones`` (or ``thawed`` machines) at once: time to the last response, compared with
    processor time; memory."""
    first = lab.order(arch, "bench-crowd")
    first = replace(first, template=lab.template(first))
    if what == THAWED:
        frozen = lab.frozen(first)
        if isinstance(frozen, str):
            note = f"not thawed: {frozen}"
            yield BenchResult(f"{number} {arch} {what}", float("nan"), "s", 4.0, note=note)
            return
        first = replace(first, frozen=frozen)
    wall_target, size_target = CROWD_TARGETS[what]
    lab.progress.doing("bench", f"{number} {what} of {arch} at once")
    begun, spent = time.monotonic(), _own_cpu()
    answered = threading.Barrier(number + 1)
    over = threading.Event()
    cpu: list[float] = []
    sizes: list[float] = []

    def one(index: int) -> None:
        name = f"bench-crowd-{index}"
        order = replace(first, name=name, scratch=first.scratch.parent / name, logs=lab.out / name)
        with started(order, lab) as (handle, _, _):
            answered.wait()
            over.wait()
            pid = _pid_of(handle)
            cpu.append(process_table.processor_seconds(pid))
            sizes.append(process_table.memory(pid) / 2**20)

    with ThreadPoolExecutor(number) as pool:
        jobs = [pool.submit(one, index) for index in range(number)]
        answered.wait()
        wall = time.monotonic() - begun
        own = _own_cpu() - spent
        time.sleep(2)  # let them idle before measuring memory
        over.set()
        for job in jobs:
            job.result()
    cores = len(os.sched_getaffinity(0))
    floor = (sum(cpu) + own) / cores
    yield BenchResult(f"{number} {arch} {what}, command to last response", wall, "s", wall_target)
    yield BenchResult(f"{number} {arch} {what}, wall / (processor time / cores)", wall / floor, "ratio", 1.3)
    words = f"proportional set size of an idle 256 MiB machine, {number} {what}"
    yield BenchResult(words, statistics.median(sizes), "MiB", size_target)


def overhead_rows(
    lab: Bench, arch: str, ssh_command: Callable[[Handle], float] | None
) -> Iterator[BenchResult]:
    """Measure the overhead of running one program, compared with one OpenSSH command."""
    order = lab.order(arch, "bench-overhead")
    order = replace(order, template=lab.template(order))
    lab.progress.doing("bench", "overhead of one exercise")
    with started(order, lab) as (handle, plain, _), runner_server(plain, handle.site.runner[0]) as transport:
        beyond = []
        for _ in range(max(30, lab.rounds)):
            begun = time.monotonic()
            done = run_program(
                transport,
                handle.site,
                ["/bin/true"],
                user=User.STUDENT,
                folder=handle.site.work,
                timeout=30,
                output_limit=4096,
                env={},
                deadline=lab.machines.deadline(60),
            )
            beyond.append(time.monotonic() - begun - done.seconds)
        ours = statistics.median(beyond)
        if ssh_command is None:
            yield BenchResult(
                "overhead of one exercise", ours * 1000, "ms", note="no ssh client to compare with"
            )
            return
        theirs = ssh_command(handle)
    detail = {"isolab ms": ours * 1000, "ssh ControlMaster ms": theirs * 1000}
    yield BenchResult(
        "overhead of one exercise / one ssh command (ControlMaster)",
        ours / theirs,
        "ratio",
        1.5,
        detail,
    )


def _own_cpu() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, both))


def _pid_of(handle: Handle) -> int:
    return next(process_table.find(lambda pid: handle.tag in process_table.arguments(pid)))
