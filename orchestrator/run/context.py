"""What the jobs of one run share: the context of its lab's machines, and what exercises need beside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.arch import host_arch
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.exercises.canaries.manager import Garden
from orchestrator.exercises.canaries.processes import canary_program
from orchestrator.exercises.canaries.visible_process import Canary
from orchestrator.host.resources import this_host
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines.barrier import Barrier
from orchestrator.machines.journal import Journal
from orchestrator.machines.provision import LabContext, lab_context, make_image
from orchestrator.progress import Progress


@dataclass(frozen=True)
class RunContext:
    """What the jobs of one run share; ``host`` is this host's name."""

    machines: LabContext
    host: str
    canary: Canary
    garden: Garden
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
) -> Iterator[RunContext]:
    """The context of a run of these machines (empty: all); its end interrupts what still runs."""
    with lab_context(lab, names, out, journal, progress, cold=cold) as machines:
        cancellation, archives = machines.cancellation, machines.archives
        canary = Canary(f"isolab-canary-{run}", lambda: make_image(machines, "micro", host_arch()).runner)
        garden = Garden(lambda: canary_program(archives, cancellation.deadline()))
        try:
            yield RunContext(machines, this_host().name, canary, garden)
        finally:
            cancellation.cancel()
            canary.close()
            garden.close()
