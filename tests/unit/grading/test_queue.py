"""The queue of a class: what is graded once, in which batches, in which order."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import factories
import pytest

from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.queue import Unit, batches_of, distinct, groups_of, units_of
from orchestrator.grading.work import Work
from orchestrator.submissions.model import Student, Submission

IDENTITIES = {"vm": MachineIdentity("t1", "q1"), "arm": MachineIdentity("t2", "q2")}
DIGESTS = {"a": ("pub-a", "hid-a"), "b": ("pub-b", "")}
ALONE: dict[str, tuple[str, ...]] = {"vm": (), "arm": ()}


def work(who: str, exercise: str = "a", digest: str = "d", attempt: int = 1, **changes: object) -> Work:
    about = Submission((Student(who),), Path(), f"{who}-{attempt}", attempt=attempt)
    plain = Work(about, factories.loaded(Path("/exercises") / exercise, {}, exercise), digest, {})
    return replace(plain, **changes)  # type: ignore[arg-type]


def units(*works: Work) -> list[Unit]:
    return units_of(works, IDENTITIES, DIGESTS)


def batches(some: list[Unit], **how: bool) -> list[tuple[str, list[tuple[str, str]]]]:
    """For each batch its submission, and its exercises with their machines."""
    numbers = count()
    found = batches_of(some, ALONE, lambda: f"run-{next(numbers)}", **how)
    assert len({batch.run for batch in found}) == len(found)
    return [
        (batch.units[0].work.submission.source, [(u.exercise, u.machine) for u in batch.units])
        for batch in found
    ]


def test_the_same_bytes_are_graded_once_for_all_who_handed_them_in() -> None:
    some = distinct(units(work("ada"), work("bob"), work("cy", digest="other")))
    assert [unit.work.who for unit in some] == ["ada", "ada", "cy", "cy"]


@pytest.mark.parametrize(
    "other",
    [
        work("bob", digest="e"),
        work("bob", "b"),
        work("bob", values={"port": 4000}),
        work("bob", missing="not handed in: a.c is missing"),
    ],
)
def test_what_decides_a_verdict_is_not_the_same(other: Work) -> None:
    assert len(distinct(units(work("ada"), other))) == 4


def test_a_machine_grades_all_exercises_of_one_submission() -> None:
    some = units(work("ada"), work("ada", "b"), work("bob", digest="e"))
    assert batches(some) == [
        ("ada-1", [("a", "vm"), ("b", "vm")]),
        ("ada-1", [("a", "arm"), ("b", "arm")]),
        ("bob-1", [("a", "vm")]),
        ("bob-1", [("a", "arm")]),
    ]


def test_work_that_lost_its_machine_gets_one_for_each_exercise() -> None:
    some = [unit for unit in units(work("ada"), work("ada", "b")) if unit.machine == "vm"]
    assert batches(some, apart=True) == [("ada-1", [("a", "vm")]), ("ada-1", [("b", "vm")])]


def test_everybodys_last_attempt_comes_before_anybodys_earlier_one() -> None:
    some = units(work("ada", digest="1"), work("ada", digest="2", attempt=2), work("bob", digest="3"))
    order = [source for source, _ in batches([unit for unit in some if unit.machine == "vm"])]
    assert order == ["ada-2", "bob-1", "ada-1"]


def test_machines_on_a_network_come_up_together_for_one_submission() -> None:
    lab = factories.lab(
        {
            "one": {"driver": "qemu", "networks": ["lan"]},
            "two": {"driver": "qemu", "networks": ["lan"]},
            "alone": {"driver": "qemu"},
        },
        ["a"],
        networks={"lan": {}},
    )
    groups = groups_of(lab, ["one", "two", "alone"])
    same = MachineIdentity("t")
    some = units_of([work("ada")], dict.fromkeys(groups, same), DIGESTS)
    numbers = count()
    found = batches_of(some, groups, lambda: f"run-{next(numbers)}")
    assert [batch.machines for batch in found] == [("one", "two"), ("alone",)]
    jobs = found[0].jobs("lab", groups)
    assert [(job.machine, job.group, job.run) for job in jobs] == [
        ("one", ("one", "two"), "run-0"),
        ("two", ("one", "two"), "run-0"),
    ]
    assert len({job.student for batch in found for job in batch.jobs("lab", groups)}) == 2


def test_no_two_batches_have_the_same_run() -> None:
    """Run ids have a second's time and two random bytes: of 400 that begin at once, some would be alike."""
    numbers = count()
    some = units(work("ada"), work("bob"), work("cy"))
    found = batches_of(some, ALONE, lambda: f"run-{next(numbers) // 3}")
    assert [batch.run for batch in found] == [f"run-{number}" for number in range(6)]
