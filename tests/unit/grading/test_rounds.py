"""Rounds: what loses its machine is graded again, alone, and twice at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import factories

from orchestrator.grading.graders import Task
from orchestrator.grading.inputs import Inputs
from orchestrator.grading.queue import Unit, alike, distinct
from orchestrator.grading.rounds import Rounds
from orchestrator.grading.work import Work, WorkStore
from orchestrator.grading.worker import on_this_host
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Lab
from orchestrator.progress import SilentProgress
from orchestrator.record import PANIC, Record, Status
from orchestrator.submissions.model import Student, Submission

LAB = LoadedLab(
    Lab.model_validate({"lab": "small", "machines": {"vm": {"driver": "qemu"}}, "exercises": ["a"]}),
    Path("lab.yaml"),
    (),
)
PASSED = factories.record("a", machine="vm", status=Status.PASS, points=1.0)
LOST = factories.record("a", machine="vm", status=Status.ERROR, reason="lost")


def unit(who: str, digest: str) -> Unit:
    about = Submission((Student(who),), Path(), who)
    work = Work(about, factories.loaded(Path("/exercises/a"), {}, "a"), digest, {})
    return Unit(work, "vm", Inputs(digest, "p", "h", "t", "q"))


@dataclass(frozen=True)
class Scripted(Rounds):
    """Gives these records for each unit, one a round; the last stays."""

    script: dict[str, list[Record]] = field(default_factory=dict)
    rounds: list[tuple[list[str], bool]] = field(default_factory=list)

    def graders(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def _records(
        self, todo: Sequence[Unit], graders: object, *, apart: bool = False
    ) -> Iterator[tuple[Unit, Record]]:
        self.rounds.append(([one.work.digest for one in todo], apart))
        for one in todo:
            own = self.script[one.work.digest]
            yield one, own.pop(0) if len(own) > 1 else own[0]


def rounds(script: dict[str, list[Record]], fell: list[tuple[str, Record]]) -> Scripted:
    def told(one: Unit, record: Record) -> None:
        fell.append((one.work.who, record))

    task = Task(LAB, (), ("vm",), WorkStore(Path()), Path(), SilentProgress())
    return Scripted(task, on_this_host, lambda one: one.exercise, told, script)


def done(script: dict[str, list[Record]], units: list[Unit]) -> tuple[list[tuple[str, Record]], Scripted]:
    fell: list[tuple[str, Record]] = []
    found, todo, copies = rounds(script, fell), distinct(units), alike(units)
    found.again(todo, copies, found.once(todo, copies, None))  # type: ignore[arg-type]
    return fell, found


def test_what_is_alike_is_graded_once_and_falls_for_everybody() -> None:
    fell, found = done({"d": [PASSED]}, [unit("ada", "d"), unit("ben", "d")])
    assert fell == [("ada", PASSED), ("ben", PASSED)]
    assert found.rounds == [(["d"], False)]


def test_what_was_lost_is_graded_again_on_machines_of_its_own() -> None:
    fell, found = done({"d": [LOST, PASSED], "e": [PASSED]}, [unit("ada", "d"), unit("ben", "e")])
    assert fell == [("ben", PASSED), ("ada", PASSED)]
    assert found.rounds == [(["d", "e"], False), (["d"], True)]


def test_what_is_lost_three_times_has_no_result() -> None:
    fell, found = done({"d": [LOST]}, [unit("ada", "d")])
    assert fell == [("ada", LOST)]
    assert len(found.rounds) == 3


def test_what_panics_three_kernels_has_no_points() -> None:
    panic = replace(LOST, killed_for=PANIC)
    [(_, record)], _ = done({"d": [panic]}, [unit("ada", "d")])
    assert (record.status, record.points) == (Status.FAIL, 0.0)


def test_repetitions_say_what_was_not_the_same() -> None:
    one, other = (replace(PASSED, points=points) for points in (1.0, 0.0))
    units = [unit("ada", "d"), unit("ben", "d")]
    found = rounds({"d": [one, other]}, []).repeated(units, 3, lambda _: one)
    assert set(found) == {(id(each.work), "vm") for each in units}
    assert any("points" in words for words in found[id(units[0].work), "vm"])
