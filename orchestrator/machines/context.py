"""What bringing up a machine takes beside its order, whoever wants it."""

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
    """What the machines of one command share: the journal, who is told, who may stop them, and how many
    come up at a time. Without slots, all at once."""

    journal: Journal
    progress: Progress
    cancellation: Cancellation
    boot_slots: AbstractContextManager[object] = field(default_factory=contextlib.nullcontext)
    clone_slots: AbstractContextManager[object] = field(default_factory=contextlib.nullcontext)

    def deadline(self, seconds: float) -> Deadline:
        return self.cancellation.deadline(seconds)

    def slots(self, order: Order) -> AbstractContextManager[object]:
        """What a machine waits for before it comes up."""
        return self.clone_slots if order.template else self.boot_slots
