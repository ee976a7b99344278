"""All of the benchmark, in order: what is quick first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.bench.cluster.ends import end_rows
from orchestrator.bench.cluster.figures import (
    first_record_rows,
    overhead_rows,
    scaling_rows,
    template_rows,
    up_rows,
)
from orchestrator.bench.cluster.hit import Hitter, ProcessFaults
from orchestrator.bench.cluster.rounds import GUESTS, fault_rows
from orchestrator.bench.cluster.stage import Command, Stage, staged
from orchestrator.bench.measure import BenchResult
from orchestrator.cluster.model import Cluster
from orchestrator.errors import SpecError
from orchestrator.progress import Progress

Rows = Callable[[Stage], Iterator[BenchResult]]
FIGURES: tuple[Rows, ...] = (
    up_rows,
    first_record_rows,
    overhead_rows,
    template_rows,
    scaling_rows,
    end_rows,
)


@dataclass(frozen=True)
class WantedRows:
    """What is to be measured: ``faults`` (their numbers begin with ``seed``) of runs with some ``guests``,
    and the figures, or not."""

    faults: int = 200
    seed: int = 1
    guests: int = GUESTS
    figures: Sequence[Rows] = FIGURES


def cluster_rows(
    cluster: Cluster,
    wanted: WantedRows,
    command: Command,
    progress: Progress,
    more: Callable[[Stage], Sequence[Hitter]] = lambda _: (),
) -> Iterator[BenchResult]:
    """Measure a cluster; ``more`` makes faults for which one needs power over links and hosts. Raises
    SpecError for one with fewer than two hosts, LabError."""
    if len(cluster.hosts) < 2:
        raise SpecError(f"{cluster.file}: one host is no cluster", hint="name two hosts, or more")
    cold = not wanted.guests and not wanted.figures
    with staged(cluster, command, progress, cold=cold) as stage:
        for rows in wanted.figures:
            yield from rows(stage)
        if wanted.faults:
            hitters = [ProcessFaults(stage), *more(stage)]
            yield from fault_rows(stage, hitters, wanted.faults, wanted.seed, wanted.guests)
