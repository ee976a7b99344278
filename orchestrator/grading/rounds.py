"""Grade work in rounds: once, again where a machine was lost, and as often as asked to see what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from orchestrator.formatting import counted
from orchestrator.grading.compose import settled
from orchestrator.grading.queue import Same, Unit, alike, batches_of, distinct, groups_of
from orchestrator.grading.regrade import differing
from orchestrator.grading.tally import Tally
from orchestrator.grading.work import WorkStore
from orchestrator.grading.worker import Graders, QuietMachines
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines.journal import Journal
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.results.store import new_run_id
from orchestrator.run.context import RunContext, run_context

RETRIES = 2
"""How often work without a result is graded again, each time on a fresh machine."""


@dataclass(frozen=True)
class Rounds:
    """Grades units of a class on these ``machines`` of the lab.

    ``works`` has their files, ``logs`` gets the logs of machines that gave no result. ``called`` names a unit
    for people; ``fell`` is told each verdict.
    """

    lab: LoadedLab
    machines: tuple[str, ...]
    works: WorkStore
    logs: Path
    progress: Progress
    called: Callable[[Unit], str]
    fell: Callable[[Unit, Record], None]

    def context(self) -> AbstractContextManager[RunContext]:
        """Provide what the machines of a round share."""
        quiet = QuietMachines(self.progress, frozenset(self.machines))
        return run_context(self.lab, new_run_id(), self.machines, self.logs, Journal(), quiet, cold=False)

    def once(
        self,
        todo: Sequence[Unit],
        copies: Mapping[Same, Sequence[Unit]],
        context: RunContext,
        *,
        apart: bool = False,
    ) -> dict[Same, Record]:
        """Grade these units once, each for all that are like it; returns the records of those without a
        result."""
        lost = {}
        tally = Tally({unit.same: self.called(unit) for unit in todo}, "verdicts", self.progress)
        for unit, record in self._records(todo, context, apart=apart):
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
            with self.context() as context:
                lost = self.once(some, copies, context, apart=True)
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
            with self.context() as context:
                for unit, record in self._records(todo, context):
                    words = differing(recorded(unit), record)
                    found[unit.same] = (*found.get(unit.same, ()), *words)
                    tally.count(unit.same)
            tally.end()
        return {
            (id(unit.work), unit.machine): words for same, words in found.items() for unit in copies[same]
        }

    def _records(
        self, todo: Sequence[Unit], context: RunContext, *, apart: bool = False
    ) -> Iterator[tuple[Unit, Record]]:
        groups = groups_of(self.lab, self.machines)
        graders = Graders(context, self.works, self.logs, groups)
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
