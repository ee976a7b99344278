"""What the models accept, refuse and derive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.labfile.models import COMPARISONS, Build, Check, Exercise, Lab, Machine
from orchestrator.units import parse_duration, parse_size

SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
DURATIONS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}


@given(st.integers(0, 10**12 - 1), st.sampled_from(sorted(SIZES)), st.sampled_from(["", " "]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str, space: str) -> None:
    assert parse_size(f"{number}{space}{unit}") == number * SIZES[unit]


@given(st.integers(1, 10**9 - 1), st.sampled_from(sorted(DURATIONS)))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == pytest.approx(number * DURATIONS[unit])


@pytest.mark.parametrize("text", ["256", "256MB", "MiB", "-1MiB", "1.5GiB", "1mib", "", 256, None, True])
def test_other_sizes_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as 256MiB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["5", "5sec", "-5s", "1h30min", "s", "", 5, None])
def test_other_durations_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 5s"):
        parse_duration(text)


def test_a_duration_is_longer_than_zero() -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        parse_duration("0s")


@given(
    st.integers(4097, 10**12 - 1).map(lambda number: f"{number}B")
    | st.integers(5, 10**6).map(lambda n: f"{n}KiB"),
    st.floats(0.001, 10**6).map(lambda seconds: f"{seconds:.3f}s"),
)
def test_a_machine_survives_json(memory: str, boot_timeout: str) -> None:
    raw = {"driver": "qemu", "memory": memory, "boot_timeout": boot_timeout}
    machine = Machine.model_validate(raw)
    assert Machine.model_validate_json(machine.model_dump_json()) == machine
    assert machine.memory == parse_size(memory)
    assert machine.boot_timeout == parse_duration(boot_timeout)


def test_a_lab_survives_json() -> None:
    raw = {
        "lab": "separation",
        "defaults": {"memory": "512MiB"},
        "machines": {"vm": {"driver": "qemu", "memory": "512MiB"}, "box": {"driver": "container"}},
        "exercises": ["ipc/pipe-capacity", "./mine"],
    }
    lab = Lab.model_validate(raw)
    assert Lab.model_validate_json(lab.model_dump_json()) == lab


def test_models_are_frozen_and_refuse_unknown_keys() -> None:
    machine = Machine(driver="qemu")
    with pytest.raises(ValidationError, match="frozen"):
        machine.cpus = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Machine.model_validate({"driver": "qemu", "memroy": "1GiB"})


@pytest.mark.parametrize("name", ["", "VM", "1vm", "-vm", "v m", "v" * 41, "v/m", "vm\n"])
def test_machine_names_are_safe_everywhere(name: str) -> None:
    with pytest.raises(ValidationError):
        Lab.model_validate({"lab": "l", "machines": {name: {"driver": "qemu"}}, "exercises": ["a"]})


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/../b", "a/", "./", ".", "A/b", "~/a"])
def test_exercise_names_stay_in_their_folder(name: str) -> None:
    with pytest.raises(ValidationError):
        Lab.model_validate({"lab": "l", "machines": {"vm": {"driver": "qemu"}}, "exercises": [name]})


@pytest.mark.parametrize("given_", [{}, {"equals": 1, "at_least": 1}])
def test_a_check_compares_once(given_: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="expected exactly one of"):
        Check.model_validate({"that": "x", **given_})


def test_null_is_something_to_compare_with() -> None:
    assert Check.model_validate({"that": "signal", "equals": None}).comparison == "equals"
    assert "equals" in COMPARISONS


def test_a_check_refuses_a_broken_pattern() -> None:
    with pytest.raises(ValidationError, match="invalid regular expression"):
        Check.model_validate({"that": "stdout", "matches": "("})


def test_one_command_and_one_build_need_no_list() -> None:
    exercise = Exercise.model_validate(
        {"title": "t", "build": {"sources": ["src/capacity.c"]}, "run": "./capacity 'two words'"}
    )
    assert [step.argv for step in exercise.run] == [["./capacity", "two words"]]
    assert [build.program for build in exercise.build] == ["capacity"]


def test_where_a_program_is_built_is_spelt_in() -> None:
    assert Build.model_validate({"sources": ["a.c"], "in": "guest"}).where == "guest"


def test_points_add_up_and_are_one_without_checks() -> None:
    checks = [{"that": "a", "equals": 1, "points": 2}, {"that": "b", "equals": 1, "points": 0.5}]
    assert Exercise.model_validate({"title": "t", "run": "a", "checks": checks}).max_points == 2.5
    assert Exercise.model_validate({"title": "t", "run": "a"}).max_points == 1.0
