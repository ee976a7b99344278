"""The comparison: what becomes a column, a row, a difference, and what a difference goes with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.exercises.parameters import EXAMPLE, EXAMPLE_KEY, values
from orchestrator.formatting import format_value
from orchestrator.labfile.models import Exercise
from orchestrator.record import Record, Status
from orchestrator.report.summary import summarize
from orchestrator.results.comparison import Missing, Row, Table, compare


def record(machine: str, boundary: str = "vm", arch: str = "amd64", **more: Any) -> Record:
    """A record of an exercise that passed; ``more`` replaces fields."""
    fields: dict[str, Any] = {
        "run": "r1", "lab": "lab", "host": "h", "student": "", "driver": "qemu", "accel": "tcg",
        "exercise": "ipc/pipe", "status": Status.PASS, "points": 1.0, "max_points": 1.0, "seconds": 1.0,
    }  # fmt: skip
    return Record(machine=machine, boundary=boundary, arch=arch, **(fields | more))


def only_row(*records: Record) -> Row:
    (row,) = compare(records).rows
    return row


def names(table: Table) -> list[str]:
    return [column.name for column in table.machines]


def seen(machine: str, boundary: str, arch: str, value: object) -> Record:
    return record(machine, boundary, arch, observations={"value": value})


def test_columns_go_from_the_weakest_boundary_to_the_strongest() -> None:
    kinds = ["emulated", "vm", "container", "sandbox", "user-emulation", "process"]
    table = compare([record(f"m-{kind}", kind) for kind in kinds])
    assert [column.boundary for column in table.machines] == kinds[::-1]


def test_columns_follow_the_order_asked_for_and_then_the_rest() -> None:
    records = [record("c", "vm"), record("b", "process"), record("a", "vm")]
    assert names(compare(records, machines=["a"])) == ["a", "b", "c"]


def test_students_and_repeated_runs_have_columns_of_their_own() -> None:
    records = [record("vm", student="ann"), record("vm", student="bob"), record("vm", student="ann")]
    assert names(compare(records)) == ["ann/vm", "bob/vm", "ann/vm (2)"]


def test_a_column_knows_what_any_of_its_records_knows() -> None:
    late = record("vm", exercise="b", accel="kvm")
    table = compare([record("vm", exercise="a", accel="", status=Status.ERROR), late])
    assert [column.accel for column in table.machines] == ["kvm"]


def test_an_exercise_shows_its_rows_and_sections_follow_the_order_of_the_lab() -> None:
    exercises = {
        "b": Exercise(title="B", run="./b", shows={"x": "the x"}),
        "a": Exercise(title="A", run="./a"),
        "never-run": Exercise(title="N", run="./n"),
    }
    observed = {"x": 1, "y": 2}
    records = [record("vm", exercise=name, observations=observed) for name in ("z", "a", "b")]
    table = compare(records, exercises)
    assert [(section.name, section.title) for section in table.sections] == [
        ("b", "B"),
        ("a", "A"),
        ("z", ""),
    ]
    assert [row.label for row in table.rows] == ["the x", "x", "y", "x", "y"]


def test_equal_values_fold_into_groups_largest_first() -> None:
    values = {"a": 64, "b": 32, "c": 64.0, "d": True}
    row = only_row(*(seen(name, "vm", "amd64", value) for name, value in values.items()))
    assert [(group.text, group.machines) for group in row.groups] == [
        ("64", ("a", "c")), ("32", ("b",)), ("yes", ("d",)),
    ]  # fmt: skip
    assert row.ranks == (0, 1, 0, 2)


def test_different_values_never_read_the_same() -> None:
    long = "x" * 100
    row = only_row(
        *(seen(f"m{n}", "vm", "amd64", value) for n, value in enumerate([long, long + "x", True, "yes"]))
    )
    assert len(set(row.texts)) == 4


def test_a_value_of_a_failed_program_is_shown_and_absent_ones_say_why() -> None:
    records = [
        record("a", observations={"value": 1}, status=Status.FAIL, reason="not 2"),
        record("b", status=Status.SKIP, reason="needs root"),
        record("c", status=Status.PASS),
        record("d", exercise="other"),
        record("e", status=Status.PASS, cut=True),
    ]
    row = compare(records).sections[0].rows[0]
    assert row.values[:2] == (1, Missing("skip", "needs root"))
    assert row.texts == ("1", "(skip)", "(none)", "(not run)", "(cut)")
    assert row.same


@pytest.mark.parametrize(
    ("machines", "cause"),
    [
        ([("process", "amd64", 1), ("vm", "amd64", 1), ("emulated", "s390x", 1)], "same"),
        ([("process", "amd64", 1), ("vm", "amd64", 2), ("emulated", "s390x", 2)], "boundary"),
        ([("process", "amd64", 1), ("user-emulation", "s390x", 1), ("vm", "amd64", 2)], "boundary"),
        ([("process", "amd64", 1), ("vm", "amd64", 1), ("emulated", "s390x", 2)], "architecture"),
        ([("vm", "amd64", 1), ("emulated", "s390x", 2), ("emulated", "armhf", 1)], "architecture"),
        ([("process", "amd64", 1), ("user-emulation", "s390x", 2)], "architecture"),
        ([("process", "amd64", 1), ("emulated", "s390x", 2)], "mixed"),
        ([("process", "amd64", 1), ("vm", "amd64", 2), ("emulated", "s390x", 3)], "mixed"),
        ([("vm", "amd64", 1), ("vm", "amd64", 2)], "unexplained"),
        ([("process", "amd64", 1), ("sandbox", "amd64", 2), ("vm", "amd64", 1)], "privilege"),
        ([("process", "amd64", 1), ("sandbox", "amd64", 2), ("container", "amd64", 2), ("vm", "amd64", 1)],
         "privilege"),
        ([("process", "amd64", 1), ("sandbox", "amd64", 2), ("vm", "amd64", 2)], "boundary"),
        ([("process", "amd64", 1), ("sandbox", "amd64", 1), ("container", "amd64", 2), ("vm", "amd64", 1)],
         "boundary"),
        ([("sandbox", "amd64", 1), ("container", "amd64", 2)], "boundary"),
        ([("process", "amd64", 1), ("user-emulation", "s390x", 3), ("sandbox", "amd64", 2),
          ("vm", "amd64", 1), ("emulated", "s390x", 1)], "privilege"),
        ([("process", "amd64", 1), ("user-emulation", "s390x", 2), ("emulated", "s390x", 1)], "boundary"),
    ],
)  # fmt: skip
def test_what_a_difference_goes_with(machines: list[tuple[str, str, int]], cause: str) -> None:
    row = only_row(*(seen(f"m{n}", *machine) for n, machine in enumerate(machines)))
    assert row.attribution == cause


OLD = {"libc": "musl 1.2.3", "kernel": "6.1.0-42-cloud"}
NEW = {"libc": "musl 1.2.5", "kernel": "6.12.48+deb13"}
SIGNED, UNSIGNED = {"char_signed": True}, {"char_signed": False}


@pytest.mark.parametrize(
    ("machines", "cause", "goes_with"),
    [
        ([("vm", "amd64", 1, OLD), ("emulated", "i386", 1, OLD), ("emulated", "arm64", 2, NEW),
          ("emulated", "armhf", 2, NEW)], "versions", ("C library", "kernel")),
        ([("vm", "amd64", 1, OLD), ("emulated", "i386", 1, OLD | {"kernel": "6.12.48"}),
          ("emulated", "arm64", 2, NEW), ("emulated", "armhf", 2, NEW)], "library", ("C library",)),
        ([("process", "amd64", 1, OLD | {"kernel": "6.12.48"}), ("vm", "amd64", 2, OLD),
          ("emulated", "arm64", 1, NEW), ("emulated", "armhf", 1, NEW)], "kernel", ("kernel",)),
        ([("vm", "amd64", 1, OLD | SIGNED), ("emulated", "i386", 1, OLD | SIGNED),
          ("emulated", "arm64", 2, NEW | UNSIGNED), ("emulated", "armhf", 2, NEW | UNSIGNED)],
         "architecture", ("sign of char", "C library", "kernel")),
        ([("vm", "amd64", 1, OLD), ("emulated", "s390x", 2, NEW)], "architecture", ("C library", "kernel")),
        ([("process", "amd64", 1, OLD), ("vm", "amd64", 2, OLD), ("emulated", "arm64", 2, NEW)],
         "boundary", ()),
        ([("vm", "amd64", 1, OLD), ("emulated", "arm64", 2, {})], "architecture", ()),
        ([("vm", "amd64", 1, OLD), ("emulated", "arm64", 1, NEW)], "same", ()),
    ],
)  # fmt: skip
def test_versions_are_causes_of_their_own(
    machines: list[tuple[str, str, int, dict[str, Any]]], cause: str, goes_with: tuple[str, ...]
) -> None:
    row = only_row(
        *(
            record(f"m{n}", boundary, arch, observations={"value": value}, platform=platform)
            for n, (boundary, arch, value, platform) in enumerate(machines)
        )
    )
    assert (row.attribution, row.goes_with) == (cause, goes_with)


def test_a_row_nobody_answered_is_neither_same_nor_different() -> None:
    exercises = {"ipc/pipe": Exercise(title="P", run="./p", shows={"x": "the x"})}
    (row,) = compare([record("vm", status=Status.ERROR)], exercises).rows
    assert (row.attribution, row.same, row.differs) == ("unanswered", False, False)


def test_the_same_trouble_on_several_machines_is_one_remark() -> None:
    records = [record(name, status=Status.SKIP, reason="needs root", points=0) for name in ("a", "b")]
    (remark,) = compare([*records, record("c")]).sections[0].remarks
    assert (remark.reason, remark.machines) == ("needs root", ("a", "b"))


def test_errors_and_skips_neither_give_nor_cost_points() -> None:
    records = [
        record("a", points=1, max_points=2),
        record("b", points=0, max_points=2, status=Status.FAIL),
        record("c", points=2, max_points=2, status=Status.ERROR),
        record("d", points=0, max_points=2, status=Status.SKIP),
    ]
    total = summarize(compare(records)).total
    assert (total.points, total.max_points) == (1, 4)
    assert total.counts == dict.fromkeys(Status, 1)


def test_slow_machines_are_those_far_above_the_median() -> None:
    times = {"a": 1.0, "b": 1.1, "c": 1.2, "d": 5.0, "e": 9.0}
    table = compare([record(name, seconds=seconds) for name, seconds in times.items()])
    assert summarize(table).slow == ("e", "d")


def test_no_records_make_an_empty_table() -> None:
    table = compare([])
    assert (table.machines, table.sections, summarize(table).slow) == ((), (), ())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"), (False, "no"), (None, "–"), (65536, "65536"), (0.5, "0.5"), (1.0, "1"),
        (1 / 3, "0.333"), (1e-7, "1e-07"), (float("nan"), "nan"), ("a\x1b[31m\n\0", r"a\x1b[31m\n\x00"),
        ("\u202egnp", r"\u202egnp"), ("\ud800", r"\ud800"), ([1, "é"], '[1, "é"]'),
        ({"a": None}, '{"a": null}'),
    ],
)  # fmt: skip
def test_values_read_alike_everywhere(value: object, text: str) -> None:
    assert format_value(value) == text


def test_a_long_value_keeps_its_ends() -> None:
    text = format_value("/begin/" + "x" * 1000 + "/end")
    assert len(text) == 40
    assert text.startswith("/begin/")
    assert text.endswith("/end")


VALUES = [None, True, "yes", 1, 1.0, 0.5, float("nan"), float("inf"), "1", "x" * 99, [1], {"a": [None]}]
RECORDS = st.lists(
    st.builds(
        record,
        machine=st.sampled_from(["a", "b", "c"]),
        boundary=st.sampled_from(["process", "vm", "emulated", "unheard-of"]),
        arch=st.sampled_from(["amd64", "s390x"]),
        student=st.sampled_from(["", "ann", "bob"]),
        exercise=st.sampled_from(["x/y", "z"]),
        status=st.sampled_from(Status),
        observations=st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(VALUES)),
    ),
    max_size=12,
)


@given(RECORDS)
def test_no_record_is_lost_and_none_is_shown_twice(records: list[Record]) -> None:
    assert sorted(map(id, compare(records).records())) == sorted(map(id, records))


@given(RECORDS)
def test_every_machine_is_in_one_group_of_a_row_or_its_value_is_missing(records: list[Record]) -> None:
    table = compare(records)
    for row in table.rows:
        answered = [
            n for n, value in zip(names(table), row.values, strict=True) if not isinstance(value, Missing)
        ]
        assert sorted(name for group in row.groups for name in group.machines) == sorted(answered)


def test_checks_have_the_values_that_the_run_had_in_place_of_parameters() -> None:
    spec = {
        "title": "Answer",
        "run": "./a ${port}",
        "parameters": {"port": {"between": [20000, 29999]}},
        "checks": [{"that": "port", "equals": "${port}", "why": "your port is ${port}"}],
    }
    exercise = Exercise.model_validate(spec)
    [section] = compare([record("vm", exercise="a")], {"a": exercise}).sections
    [check] = section.checks
    assert check.equals == values(exercise, "a", EXAMPLE, EXAMPLE_KEY)["port"]
    assert check.why == f"your port is {check.equals}"
