"""Run context, shared by the jobs of one run: the lab context, and what exercises need in addition."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.arch import host_arch
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.exercises.canaries.manager import CanaryManager
from orchestrator.exercises.canaries.processes import canary_program
from orchestrator.exercises.canaries.visible_process import VisibleProcess
from orchestrator.host.resources import this_host
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines.barrier import Barrier
from orchestrator.machines.journal import Journal
from orchestrator.machines.provision import LabContext, lab_context, make_image
from orchestrator.paths import scratch_dir
from orchestrator.progress import Progress


@dataclass(frozen=True)
class RunContext:
    """State shared by the jobs of one run; ``host`` is this host's name."""

    machines: LabContext
    host: str
    visible_process: VisibleProcess
    canaries: CanaryManager
    barrier: Barrier = field(default_factory=Barrier)

    @property
    def lab(self) -> LoadedLab:
        return self.machines.lab

    @property
    def progress(self) -> Progress:
        return self.machines.progress

    @property
    def cancellation(self) -> Cancellation:
        return self.machines.cancellation

    def deadline(self, seconds: float) -> Deadline:
        return self.cancellation.deadline(seconds)


@contextlib.contextmanager
def run_context(
    lab: LoadedLab,
    run: str,
    names: tuple[str, ...],
    out: Path,
    journal: Journal,
    progress: Progress,
    *,
    cold: bool,
    thaw: bool = False,
) -> Iterator[RunContext]:
    """Yield the context of a run of these machines (empty: all); leaving it cancels what still runs."""
    with lab_context(lab, names, out, journal, progress, cold=cold, thaw=thaw) as machines:
        cancellation, archives = machines.cancellation, machines.archives
        visible_process = VisibleProcess(
            f"isolab-canary-{scratch_dir().name}-{run}",
            lambda: make_image(machines, "micro", host_arch()).runner,
        )
        canaries = CanaryManager(lambda: canary_program(archives, cancellation.deadline()))
        try:
            yield RunContext(machines, this_host().name, visible_process, canaries)
        finally:
            cancellation.cancel()
            visible_process.close()
            canaries.close()
