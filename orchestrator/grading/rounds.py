"""Grade work in rounds: once, again where a machine was lost, and as often as asked to see what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from orchestrator.formatting import counted
from orchestrator.grading.compose import settled
from orchestrator.grading.graders import Graders, Task, Where
from orchestrator.grading.queue import Same, Unit, alike, batches_of, distinct, groups_of
from orchestrator.grading.regrade import differing
from orchestrator.grading.tally import Tally
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id

RETRIES = 2
"""How often work without a result is graded again, each time on a fresh machine."""


@dataclass(frozen=True)
class Rounds:
    """Grades the units of a ``task``, each round ``where`` it says.

    ``called`` names a unit for people; ``fell`` is told each verdict.
    """

    task: Task
    where: Where
    called: Callable[[Unit], str]
    fell: Callable[[Unit, Record], None]

    @property
    def progress(self) -> Progress:
        return self.task.progress

    def graders(self) -> AbstractContextManager[Graders]:
        """Provide what grades in one round."""
        return self.where(self.task)

    def once(
        self,
        todo: Sequence[Unit],
        copies: Mapping[Same, Sequence[Unit]],
        graders: Graders,
        *,
        apart: bool = False,
    ) -> dict[Same, Record]:
        """Grade these units once, each for all that are like it; returns the records of those without a
        result."""
        lost = {}
        tally = Tally({unit.same: self.called(unit) for unit in todo}, "verdicts", self.progress)
        for unit, record in self._records(todo, graders, apart=apart):
            tally.count(unit.same)
            if record.status is Status.ERROR:
                lost[unit.same] = record
                continue
            for each in copies[unit.same]:
                self.fell(each, record)
        tally.end()
        return lost

    def again(
        self, todo: Sequence[Unit], copies: Mapping[Same, Sequence[Unit]], lost: Mapping[Same, Record]
    ) -> None:
        """Grade on fresh machines those of these units that have no result, each on its own, and again; what
        has none then falls as it is."""
        for attempt in range(2, RETRIES + 2):
            if not lost:
                break
            some = [unit for unit in todo if unit.same in lost]
            self.progress.tell(f"no result for {_named(some)}; attempt {attempt} on fresh machines")
            with self.graders() as graders:
                lost = self.once(some, copies, graders, apart=True)
        for same, record in lost.items():
            for unit in copies[same]:
                self.fell(unit, settled(record, unit.work.exercise.whole_spec.max_points))

    def repeated(
        self, units: Sequence[Unit], times: int, recorded: Callable[[Unit], Record]
    ) -> dict[tuple[int, str], tuple[str, ...]]:
        """Grade these units ``times`` - 1 times more; returns what was not the same as was ``recorded`` of
        them, by the identity of the work and the machine."""
        found: dict[Same, tuple[str, ...]] = {}
        todo, copies = distinct(units), alike(units)
        for number in range(2, times + 1):
            names = {unit.same: self.called(unit) for unit in todo}
            tally = Tally(names, f"verdicts of repetition {number}", self.progress)
            with self.graders() as graders:
                for unit, record in self._records(todo, graders):
                    words = differing(recorded(unit), record)
                    found[unit.same] = (*found.get(unit.same, ()), *words)
                    tally.count(unit.same)
            tally.end()
        return {
            (id(unit.work), unit.machine): words for same, words in found.items() for unit in copies[same]
        }

    def _records(
        self, todo: Sequence[Unit], graders: Graders, *, apart: bool = False
    ) -> Iterator[tuple[Unit, Record]]:
        groups = groups_of(self.task.lab, self.task.machines)
        wanted = {(unit.machine, unit.exercise, id(unit.work)): unit for unit in todo}
        batches = batches_of(todo, groups, new_run_id, apart=apart)
        with closing(graders.records(batches)) as found:
            for batch, record in found:
                work = next(unit.work for unit in batch.units if unit.exercise == record.exercise)
                unit = wanted.get((record.machine, record.exercise, id(work)))
                if unit is not None:  # else a peer in a group, whose verdict was there already
                    yield unit, record


def _named(units: Sequence[Unit]) -> str:
    """Return how many pieces of work these are, and the first by exercise and machine."""
    first = ", ".join(dict.fromkeys(f"{unit.exercise} on {unit.machine}" for unit in units[:3]))
    return f"{counted(len(units), 'piece')} of work ({first}{', …' if len(units) > 3 else ''})"
