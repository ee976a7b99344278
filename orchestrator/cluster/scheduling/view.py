"""What the engine must know of its cluster, and may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from orchestrator.deadline import Deadline


class ClusterView(Protocol):
    """A cluster that is up, as its supervisor tells of it. Thread-safe."""

    def scheduler(self) -> str:
        """Return the address of the scheduler; empty while there is none."""

    def wanted(self) -> bool:
        """Return whether somebody sees to it that there is a scheduler, and replaces one that dies."""

    def public_keys(self) -> Mapping[str, str]:
        """Return with which key each host's lines are signed (hex, Ed25519), as SSH to it said."""

    def trouble(self, host: str) -> str:
        """Return in words why a host is away; empty if it is not, or nobody knows."""

    def lines(self, host: str, unit: str, epoch: int, deadline: Deadline) -> list[str]:
        """Return the lines that a host's agent has of a unit, as JSON, without Dask. Raises LabError."""

    def cancel(self, host: str, run: str, deadline: Deadline) -> None:
        """Have a host's agent cancel a run, and wait until it is torn down there. Raises LabError."""
