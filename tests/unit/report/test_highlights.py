"""What a report says first: differences that a check foresees, of every cause, from many exercises."""

from __future__ import annotations

from typing import Any

from factories import record

from orchestrator.labfile.models import Exercise
from orchestrator.record import Record, Status
from orchestrator.report.highlights import CAUSES, lessons, remarks, telling
from orchestrator.report.wording import difference
from orchestrator.results.comparison import Table, compare

PLACES = {"process": ("process", "amd64"), "sandbox": ("sandbox", "amd64"), "vm": ("vm", "amd64"),
          "s390x": ("emulated", "s390x")}  # fmt: skip
BY_CAUSE: dict[str, tuple[Any, ...]] = {
    "boundary": ("in", "in", "out", "out"),
    "privilege": ("may", "may not", "may", "may"),
    "architecture": ("little", "little", "little", "big"),
    "same": (1, 1, 1, 1),
}


def seen(exercise: str, **causes: str) -> list[Record]:
    """Records of an exercise whose observations differ by the causes named."""
    return [
        record(
            exercise, machine=name, boundary=boundary, arch=arch, status=Status.PASS,
            observations={key: BY_CAUSE[cause][place] for key, cause in causes.items()},
        )
        for place, (name, (boundary, arch)) in enumerate(PLACES.items())
    ]  # fmt: skip


def told(table: Table) -> list[tuple[str, str]]:
    return [(each.section.name, each.row.key) for each in telling(table)]


def test_one_of_each_cause_comes_first_and_never_two_of_an_exercise() -> None:
    table = compare(
        [
            *seen("a", x="boundary", y="boundary"),
            *seen("b", x="boundary"),
            *seen("c", x="architecture"),
            *seen("d", x="privilege"),
            *seen("e", x="boundary"),
            *seen("f", x="same"),
        ]
    )
    assert told(table) == [("a", "x"), ("b", "x"), ("d", "x"), ("c", "x")]


def test_what_a_check_foresees_for_some_machines_is_most_telling() -> None:
    check = {"that": "y", "equals": "in", "where": {"boundary": ["process"]}}
    exercise = Exercise.model_validate({"title": "A", "run": "./a", "checks": [check]})
    assert told(compare(seen("a", x="boundary", y="boundary"), {"a": exercise})) == [("a", "y")]


def test_a_difference_in_words_names_the_few() -> None:
    (only,) = telling(compare(seen("a", x="architecture")))
    assert difference(only.row) == "big on s390x; little on the other 3"


def test_every_difference_is_in_the_lessons_of_its_cause_alone() -> None:
    table = compare([*seen("a", x="boundary", y="architecture", z="same"), *seen("b", x="privilege")])
    found = {
        cause: [(each.line, row.key) for each in lessons(table, cause) for row in each.rows]
        for cause in CAUSES
    }
    assert found == {
        "boundary": [(0, "x")], "privilege": [(1, "x")], "architecture": [(0, "y")],
        "library": [], "kernel": [], "versions": [], "mixed": [], "unexplained": [],
    }  # fmt: skip


def test_the_faults_of_programs_come_before_ours_and_what_was_skipped() -> None:
    records = [record(name, status=status) for name, status in
               (("a", Status.SKIP), ("b", Status.ERROR), ("c", Status.FAIL))]  # fmt: skip
    assert [(section.name, item.status) for _, section, item in remarks(compare(records))] == [
        ("c", "fail"), ("b", "error"), ("a", "skip"),
    ]  # fmt: skip
