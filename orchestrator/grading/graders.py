"""Where work is graded: the interface that rounds of grading use, for this host and for a cluster's hosts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.queue import Batch
from orchestrator.grading.work import WorkStore
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.progress import Progress
from orchestrator.record import Record

Kinds = Mapping[str, Mapping[str, MachineIdentity]]
"""By machine of the lab and by host: what identifies the machine there. Each has a host at least, the best
one first."""


class Graders(Protocol):
    """Grades batches of work on fresh machines, on one host or on several."""

    def kinds(self) -> Kinds:
        """Return what each machine is on each host that may grade it. Builds images as necessary.

        Raises Unavailable for a machine that cannot grade anywhere, ImageError, TimedOut, Interrupted."""

    @property
    def away(self) -> frozenset[str]:
        """Hosts that would grade, and cannot be asked now what their machines are."""

    def records(self, batches: Sequence[Batch]) -> Generator[tuple[Batch, Record], None, None]:
        """Yield each record with its batch, as completed; closing the iterator tears everything down."""


@dataclass(frozen=True)
class Task:
    """What is graded: these exercises of a lab on these machines; ``store`` has the work, ``logs`` gets the
    logs of machines that gave no result."""

    lab: LoadedLab
    exercises: tuple[LoadedExercise, ...]
    machines: tuple[str, ...]
    store: WorkStore
    logs: Path
    progress: Progress


Where = Callable[[Task], AbstractContextManager[Graders]]
"""Provides what grades for one round."""
