"""Barrier for machines that share a network: up, through the exercises and down together.

Every participant of a group passes the same points in the same order. At each it waits until all
others have arrived, finished, or are lost; a lost machine never blocks the rest.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, from_os

LONGEST_NAP = 0.2
"""Seconds between two checks for cancellation."""


@dataclass
class _MachineProgress:
    """Progress of a machine: points passed (infinity once it has left), how many times slower than a
    native core it is (0: unknown), and why it is lost."""

    points: float = 0
    slowness: float = 0.0
    lost: str = ""


@dataclass(frozen=True)
class Participant:
    """One machine at the barrier of its group; a machine without a group never waits."""

    name: str
    _group: Mapping[str, _MachineProgress]
    _changed: threading.Condition
    _cancellation: Cancellation

    def wait(self) -> str:
        """Wait for the others at the next point; returns "", or which machines are lost and why.

        Raises Interrupted.
        """
        with self._changed:
            mine = self._group[self.name]
            mine.points += 1
            self._changed.notify_all()
            while self._behind(mine.points):
                self._cancellation.check()
                self._changed.wait(LONGEST_NAP)
            lost = {name: standing.lost for name, standing in self._group.items() if standing.lost}
        return "; ".join(f"machine {name} on the same network was lost: {why}" for name, why in lost.items())

    def missing(self) -> list[str]:
        """Return the machines that ``wait`` would wait for now."""
        with self._changed:
            return [name for name in self._behind(self._group[self.name].points + 1) if name != self.name]

    def announce(self, slowness: float) -> None:
        """Report how many times slower than a native core this machine is."""
        with self._changed:
            self._group[self.name].slowness = slowness

    @property
    def slowest(self) -> float:
        """The slowness of the slowest machine of the group, of those that reported it."""
        with self._changed:
            return max(standing.slowness for standing in self._group.values()) or 1.0

    def leave(self, reason: str = "") -> None:
        """Stop taking part; with a reason, this machine counts as lost."""
        with self._changed:
            self._group[self.name].points = math.inf
            self._group[self.name].lost = reason
            self._changed.notify_all()

    def _behind(self, point: float) -> list[str]:
        return [name for name, standing in self._group.items() if standing.points < point]


class Barrier:
    """The barrier of a run, separate for each group of machines. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._groups: dict[tuple[str, ...], dict[str, _MachineProgress]] = {}

    @contextlib.contextmanager
    def participant(
        self, name: str, group: Sequence[str], owner: str, cancellation: Cancellation
    ) -> Iterator[Participant]:
        """Yield a participant for a ``with`` block; one that exits by an exception is lost.

        ``owner`` separates groups of the same machines that belong to different students.
        """
        names = tuple(group) or (name,)
        with self._changed:
            members = self._groups.setdefault((owner, *names), {each: _MachineProgress() for each in names})
        participant = Participant(name, members, self._changed, cancellation)
        try:
            yield participant
        except BaseException as problem:
            participant.leave(_words(problem))
            raise
        else:
            participant.leave()


def _words(problem: BaseException) -> str:
    if isinstance(problem, OSError):
        problem = from_os(problem)
    if isinstance(problem, LabError):
        return problem.first_line
    return f"{type(problem).__name__}: {problem}"[:300]
