"""Runs with faults, some to each; everything is compared afterwards, and nobody restarts anything."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.bench.cluster import labs, on_host
from orchestrator.bench.cluster.faults import Fault, drawn
from orchestrator.bench.cluster.hit import Hitter
from orchestrator.bench.cluster.stage import ANY, Stage
from orchestrator.bench.cluster.verdict import FaultVerdict, Place, judged
from orchestrator.bench.cluster.watch import Watch, watched
from orchestrator.bench.measure import BenchResult
from orchestrator.cluster.supervisor.keep_host import BEAT_SECONDS
from orchestrator.errors import LabError

PER_ROUND = 15
PROCESSES, GUESTS, NAPS, NAP_SECONDS = 6, 2, 4, 2.0
EXPECTED_SECONDS = 16.0
"""What a run takes without faults, about: moments at random are within."""
HUNG_SECONDS = 420.0
"""After what time a run is taken to have no end: a unit may lose two hosts, each of which is waited for."""


@dataclass(frozen=True)
class Ground:
    """A lab on the hosts, for many runs. ``marks`` is the folder where programs leave their marks there."""

    stage: Stage
    lab: Path
    planned: Sequence[Place]
    marks: str

    @contextmanager
    def begun(self, out: Path) -> Iterator[Watch]:
        with watched(self.stage, self.lab, out, len(self.planned)) as found:
            yield found

    def verdict(self, watch: Watch) -> FaultVerdict:
        """Wait until the cluster is whole and nothing is left, within two beats of that; then compare."""
        away = self.stage.healed()
        if away:
            self.stage.progress.tell(f"not whole by itself: {', '.join(away)}: bringing the cluster up")
            self.stage.command(["cluster", "up", str(self.stage.file), "--cold"], ANY)
        if not watch.run:
            watch.run = next((one.run for one in watch.records()), "")
        if not watch.run:
            return FaultVerdict(lost=(f"{watch.out.name}: the run left nothing at all",), away=tuple(away))
        until = time.monotonic() + 2 * BEAT_SECONDS
        while True:
            looks = self.stage.everywhere("look", run=watch.run, marks=self.marks)
            if not any(look["left"] for look in looks.values()) or time.monotonic() > until:
                break
            time.sleep(0.5)
        return replace(judged(self.planned, watch.records(), looks), away=tuple(away))


@contextmanager
def ground(stage: Stage, guests: int = GUESTS) -> Iterator[Ground]:
    """Have a lab and a folder for marks on all hosts for a ``with`` block."""
    marks = f"/tmp/{on_host.MARKS}{secrets.token_hex(4)}"
    machines = {**labs.processes(PROCESSES), **labs.guests(guests)}
    lab, planned = labs.naps(stage.folder / "naps", machines, NAPS, NAP_SECONDS, marks)
    stage.everywhere("begin", marks=marks)
    try:
        yield Ground(stage, lab, planned, marks)
    finally:
        stage.everywhere("end", marks=marks)


@dataclass
class _RoundTally:
    verdicts: list[FaultVerdict] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    missed: int = 0

    def add(self, made: Sequence[tuple[Fault, bool]]) -> None:
        """Count faults, and those that had nothing to hit."""
        self.kinds.update(str(fault.kind) for fault, hit in made if hit)
        self.missed += sum(not hit for _, hit in made)


def fault_rows(
    stage: Stage, hitters: Sequence[Hitter], number: int, seed: int, guests: int = GUESTS
) -> Iterator[BenchResult]:
    """Make so many faults, whose numbers begin with ``seed``, and count what they cost; ``guests`` of the
    machines are guests, each of which costs a boot."""
    tally = _RoundTally()
    with ground(stage, guests) as there:
        for first in range(seed, seed + number, PER_ROUND):
            last = min(first + PER_ROUND, seed + number)
            tally.verdicts.append(_round(there, hitters, range(first, last), tally))
    yield from _rows(tally, number, seed)


def _round(
    there: Ground, hitters: Sequence[Hitter], seeds: Sequence[int], tally: _RoundTally
) -> FaultVerdict:
    stage = there.stage
    kinds = [kind for hitter in hitters for kind in hitter.kinds]
    faults = [drawn(seed, kinds, stage.names, EXPECTED_SECONDS) for seed in seeds]
    out = stage.folder / f"seed-{seeds[0]}"
    stage.progress.doing("bench", f"a run with faults {seeds[0]} to {seeds[-1]}")
    made: list[tuple[Fault, bool]] = []
    with there.begun(out) as watch:
        threads = [
            threading.Thread(target=_one, args=(watch, hitters, fault, stage, made)) for fault in faults
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tally.add(made)
        try:
            hung = watch.hangs(HUNG_SECONDS)
        except LabError as problem:
            stage.progress.tell(problem.message)
            hung = False
        for hitter in hitters:
            hitter.wait()
        ran = watch.seconds
    found = there.verdict(watch)
    if hung:
        found = replace(found, hung=(f"the run with faults from seed {seeds[0]}",))
    words = f"{found.records} records, {found.errors} of them errors, {ran:.0f} s"
    stage.progress.tell(f"run with faults {seeds[0]} to {seeds[-1]}: {words}")
    for reason, times in found.reasons.items():
        stage.progress.tell(f"  {times} times: {reason}")
    for trouble in found.troubles:
        stage.progress.tell(f"  WRONG: {trouble}")
    return found


def _one(
    watch: Watch, hitters: Sequence[Hitter], fault: Fault, stage: Stage, made: list[tuple[Fault, bool]]
) -> None:
    """Wait for a fault's moment, make it, and tell of it: ``made`` gets whether there was anything to hit."""
    watch.wait_for(fault)
    at = watch.seconds
    hitter = next(one for one in hitters if fault.kind in one.kinds)
    try:
        was = "" if hitter.hit(fault) else ": nothing there"
    except LabError as problem:
        was = f": not made: {problem.message}"
    made.append((fault, not was))
    stage.progress.tell(f"  seed {fault.seed}: {fault} ({at:.1f} s){was}")


def _rows(tally: _RoundTally, number: int, seed: int) -> Iterator[BenchResult]:
    runs, made = len(tally.verdicts), sum(tally.kinds.values())
    what = f"{made} faults in {runs} runs"
    records = sum(one.records for one in tally.verdicts)
    errors = sum(one.errors for one in tally.verdicts)
    seeds = f"seeds {seed} to {seed + number - 1}; {tally.missed} had nothing to hit"
    yield BenchResult(f"{what}: faults made", made, "", None, dict(tally.kinds), seeds)
    note = f"of {records}; {errors} say that hosts failed"
    for name, words, more in (
        ("lost", "records lost", note),
        ("doubled", "records doubled", ""),
        ("repeated", "programs run twice in one epoch", ""),
        ("left", "guests, processes and folders left", ""),
        ("away", "hosts that did not come back by themselves", ""),
        ("hung", "runs without an end", ""),
    ):
        wrong = [trouble for one in tally.verdicts for trouble in getattr(one, name)]
        yield BenchResult(f"{what}: {words}", len(wrong), "", 0.0, {}, wrong[0] if wrong else more)
