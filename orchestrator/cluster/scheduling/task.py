"""A unit on its way to a host, as the engine knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.cluster.model import Unit
from orchestrator.cluster.scheduling.dask_client import Workers
from orchestrator.cluster.scheduling.ledger import UnitLines
from orchestrator.formatting import printable

MIB = 2**20


@dataclass
class Task:
    """A unit on its way.

    ``tries``: how many times it has been given away; ``since``: the moment from which it has been waiting for
    a host, or its host has been away; ``avoid``: hosts that failed it, and why; ``token`` and ``address``: of
    the call of Dask's that asks for it, and of the worker that has the call.
    """

    lines: UnitLines
    tries: int = 0
    token: str = ""
    address: str = ""
    since: float | None = None
    avoid: dict[str, str] = field(default_factory=dict)

    @property
    def unit(self) -> Unit:
        return self.lines.unit

    @property
    def memory(self) -> int:
        """Whole MiB."""
        return -(-self.unit.memory // MIB)

    @property
    def machines(self) -> str:
        """The names of its machines, in words."""
        return ", ".join(job.machine for job in self.unit.jobs)

    @property
    def end_words(self) -> str:
        """Why it ended early, as its host says; empty if all its jobs were done."""
        end = self.lines.end
        return printable(end.body[:2000]) if end is not None else ""

    def allowed(self, workers: Workers) -> list[str]:
        """Return where it may run now, best first: on hosts that failed it only if there is no other."""
        there = [name for name in self.unit.places if name in workers.address]
        return [name for name in there if name not in self.avoid] or there
