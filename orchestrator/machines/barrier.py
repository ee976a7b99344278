"""Machines that wait for each other: up together, through their exercises together, down together.

Every member of a group passes the same points in the same order. It waits at each until all
others are there, have finished, or are lost; a machine that is lost never holds up the rest.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Sequence

from orchestrator.errors import Interrupted, LabError, from_os

LONGEST_NAP = 0.2
"""Seconds between two looks at whether the user wants to stop."""


class Gate:
    """Where one group of machines meets. Safe to use from several threads."""

    def __init__(self, members: Sequence[str]) -> None:
        self._changed = threading.Condition()
        self._points: dict[str, float] = dict.fromkeys(members, 0)
        self._slowness: dict[str, float] = {}
        self._lost: dict[str, str] = {}

    def meet(self, member: str, cancel: threading.Event) -> dict[str, str]:
        """Wait for the others at the next point; gives those that are lost, with the reason.

        Raises Interrupted.
        """
        with self._changed:
            self._points[member] += 1
            point = self._points[member]
            self._changed.notify_all()
            while any(passed < point for passed in self._points.values()):
                if cancel.is_set():
                    raise Interrupted()
                self._changed.wait(LONGEST_NAP)
            return dict(self._lost)

    def waiting_for(self, member: str) -> list[str]:
        """Who is behind this member."""
        with self._changed:
            mine = self._points[member]
            return [name for name, passed in self._points.items() if passed < mine + 1 and name != member]

    def announce(self, member: str, slowness: float) -> None:
        """Say how many times slower than a native core this machine is."""
        with self._changed:
            self._slowness[member] = slowness

    def slowest(self) -> float:
        """The slowness of the slowest member that said so."""
        with self._changed:
            return max(self._slowness.values(), default=1.0)

    def leave(self, member: str, reason: str = "") -> None:
        """This member passes no more points; a reason says that it is lost."""
        with self._changed:
            self._points[member] = math.inf
            if reason:
                self._lost[member] = reason
            self._changed.notify_all()


class Membership:
    """One machine's view of its gate; a machine without a group is alone and waits for nobody."""

    def __init__(self, gate: Gate, name: str, cancel: threading.Event) -> None:
        self._gate = gate
        self._name = name
        self._cancel = cancel

    def meet(self) -> str:
        """Wait for the others; "" when all are there, else which are lost and why.

        Raises Interrupted.
        """
        lost = self._gate.meet(self._name, self._cancel)
        return "; ".join(f"machine {name} of its network is lost: {why}" for name, why in lost.items())

    def missing(self) -> list[str]:
        """Who would be waited for now."""
        return self._gate.waiting_for(self._name)

    def announce(self, slowness: float) -> None:
        """Say how slow this machine is."""
        self._gate.announce(self._name, slowness)

    @property
    def slowest(self) -> float:
        """How slow the slowest machine of the group is."""
        return self._gate.slowest()


class Gates:
    """The gates of a run, each made when its first member comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[tuple[str, ...], Gate] = {}

    @contextlib.contextmanager
    def member(
        self, who: str, group: Sequence[str], owner: str, cancel: threading.Event
    ) -> Iterator[Membership]:
        """A membership for the length of a ``with`` block; one that ends by an exception is lost.

        ``owner`` keeps apart groups of the same machines that belong to different people.
        """
        names = tuple(group) or (who,)
        with self._lock:
            gate = self._gates.setdefault((owner, *names), Gate(names))
        try:
            yield Membership(gate, who, cancel)
        except BaseException as problem:
            gate.leave(who, _words(problem))
            raise
        else:
            gate.leave(who)


def _words(problem: BaseException) -> str:
    if isinstance(problem, OSError):
        problem = from_os(problem)
    if isinstance(problem, LabError):
        return problem.message.splitlines()[0][:300]
    return f"{type(problem).__name__}: {problem}"[:300]
