"""Take a class down: its work is collected first, and home folders are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.classes.machines import Place, there
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.up import held
from orchestrator.formatting import counted
from orchestrator.progress import Progress, SilentProgress
from orchestrator.sessions.lifecycle import take_down


@dataclass(frozen=True)
class Down:
    """What was taken down, and in words what could not be."""

    gone: tuple[Place, ...]
    failed: tuple[str, ...]


def bring_down(found: LoadedClass, seats: Sequence[Seat], progress: Progress, *, everything: bool) -> Down:
    """Take down these seats' machines; ``everything``: also those for everybody, and of seats that left."""
    names = {seat.name for seat in seats}
    with held(found, progress):
        places = {place: one for place, one in there(found).items() if everything or place.seat in names}
        progress.doing(found.name, f"taking down {counted(len(places), 'machine')}")
        problems = take_down(list(places.values()), SilentProgress()) if places else []
        progress.done(found.name)
        TimeLimits(found).end(place.seat for place in places)
    failed = {failure.machine: failure.problem for failure in problems}
    gone = tuple(place for place, one in places.items() if one.name not in failed)
    return Down(gone, tuple(f"{name}: {problem.describe()}" for name, problem in failed.items()))
