"""What is needed to bring up any machine, besides its order."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.model import Order
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress


@dataclass(frozen=True)
class MachineContext:
    """State shared by the machines of one command: journal, progress, cancellation, and limits on how
    many come up at a time. Without slots there is no limit."""

    journal: Journal
    progress: Progress
    cancellation: Cancellation
    boot_slots: AbstractContextManager[object] = field(default_factory=contextlib.nullcontext)
    clone_slots: AbstractContextManager[object] = field(default_factory=contextlib.nullcontext)

    def deadline(self, seconds: float) -> Deadline:
        return self.cancellation.deadline(seconds)

    def slots(self, order: Order) -> AbstractContextManager[object]:
        """Return the slots a machine waits for before it comes up."""
        return self.clone_slots if order.template else self.boot_slots
